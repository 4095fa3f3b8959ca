import fc from "fast-check";
import { expect, test } from "vitest";
import { encode, positiveInteger, valuesIn } from "../../../src/pki/der-bytes.ts";
import { write, writeDer } from "../../../src/pki/der.ts";
import { codeOf } from "./craft.ts";

const read = (bytes: Buffer): string => codeOf(() => [...valuesIn(bytes, "CERTIFICATE_INVALID")]);

test.each([0, 1, 127, 128, 255, 256, 65_535, 65_536, 16_777_216])(
  "a value of %i bytes is written as the tree's writer does, and read back",
  (length) => {
    const content = Buffer.alloc(length, 7);
    const bytes = encode(0x04, content);
    expect(bytes.equals(writeDer(write.octets(content)))).toBe(true);
    const values = [...valuesIn(bytes, "CERTIFICATE_INVALID")];
    expect(values).toHaveLength(1);
    expect(values[0]?.tag).toBe(0x04);
    expect(values[0]?.content.equals(content)).toBe(true);
    expect(values[0]?.whole.equals(bytes)).toBe(true);
  },
);

test.each([
  ["a length that is cut", "04"],
  ["content that is cut", "040201"],
  ["an indefinite length", "30800000"],
  ["a length of one byte in two", "04817f" + "00".repeat(127)],
  ["a length with a leading zero", "04820080" + "00".repeat(128)],
  ["a length of five bytes", "04850000000001ff"],
  ["a length of more bytes than there are", "0484ffff"],
  ["a tag of two bytes", "1f8101ff"],
])("%s is refused", (_what, hex) => {
  expect(read(Buffer.from("0401ff", "hex"))).toBe("none");
  expect(read(Buffer.from(hex, "hex"))).toBe("CERTIFICATE_INVALID");
});

test("whatever the bytes are, they are the values that are read, or are refused", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (any) => {
      const bytes = Buffer.from(any);
      if (read(bytes) === "none") {
        const values = [...valuesIn(bytes, "CERTIFICATE_INVALID")];
        expect(Buffer.concat(values.map(({ tag, content }) => encode(tag, content)))).toEqual(bytes);
      }
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  ["", ""],
  ["00", "00"],
  ["0000", "00"],
  ["7f", "7f"],
  ["0080", "0080"],
  ["ff", "00ff"],
])("the positive integer %j is written as %j", (bytes, written) => {
  expect(positiveInteger(Buffer.from(bytes, "hex")).toString("hex")).toBe(written);
});
