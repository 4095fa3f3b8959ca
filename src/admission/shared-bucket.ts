import { createBucket } from "./bucket.ts";
import type { Bucket } from "./bucket.ts";
import type { Shared } from "./shared.ts";

// The same as the bucket of one process, in one step that no other gateway comes between, by Valkey's own clock. Answers: seconds to
// wait (0 where a token was taken), tokens left, seconds until the first comes back.
const TAKE = `
local second = tonumber(redis.call('TIME')[1])
local limit, burst, life = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local stored = redis.call('HGETALL', KEYS[1])
local slots, total, current = {}, 0, 0
for i = 1, #stored, 2 do
  local slot, count = tonumber(stored[i]), tonumber(stored[i + 1])
  if slot <= second - life then
    redis.call('HDEL', KEYS[1], stored[i])
  else
    total = total + count
    slots[#slots + 1] = { slot, count }
    if slot == second then current = count end
  end
end
table.sort(slots, function(a, b) return a[1] < b[1] end)
local wait = 0
if total >= limit then
  local left = total
  for _, entry in ipairs(slots) do
    left = left - entry[2]
    if left < limit then
      wait = math.min(math.max(entry[1] + life - second, 1), life)
      break
    end
  end
elseif burst > 0 and current >= burst then
  wait = 1
else
  redis.call('HINCRBY', KEYS[1], second, 1)
  redis.call('EXPIRE', KEYS[1], life + 1)
  total = total + 1
end
local first = second
if slots[1] then first = slots[1][1] end
return { wait, math.max(limit - total, 0), math.min(math.max(first + life - second, 1), life) }
`;
const SLOT_LIFE_SECONDS = 61;

/**
 * Buckets that every gateway on the same Valkey takes from. While Valkey is away each gateway counts by itself: a verb never runs without a
 * token, and the absence of Valkey stops nobody.
 */
export function createSharedBucket(shared: Shared): Bucket {
  const own = createBucket();
  shared.client.defineCommand("takeToken", { numberOfKeys: 1, lua: TAKE });
  // What the line above adds is not among the client's types.
  const client = shared.client as Shared["client"] & {
    takeToken(key: string, limit: number, burst: number, life: number): Promise<[number, number, number]>;
  };
  return {
    take: async (key, limits) => {
      let answer: [number, number, number];
      try {
        answer = await client.takeToken(
          `${shared.prefix}:tokens:${key}`,
          limits.requestsPerMinute,
          limits.burst ?? 0,
          SLOT_LIFE_SECONDS,
        );
      } catch (error) {
        shared.failed(error);
        return own.take(key, limits);
      }
      shared.answered();
      const [retryAfterSeconds, remaining, resetSeconds] = answer;
      return {
        allowed: retryAfterSeconds === 0,
        limit: limits.requestsPerMinute,
        remaining,
        resetSeconds,
        retryAfterSeconds,
      };
    },
  };
}
