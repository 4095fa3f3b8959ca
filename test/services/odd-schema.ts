/** An application's schema with what a move could stumble over: types, values, names, and objects of every kind. */
export const ODD_SCHEMA = String.raw`
  create role odd_owner nologin;
  create role odd_reader nologin;
  create role "Odd Login" login noinherit connection limit 3 password 'never used' valid until '2031-01-01 00:00:00+00';
  comment on role "Odd Login" is 'Logs in.';
  grant odd_reader to "Odd Login" with admin option;
  alter role "Odd Login" set search_path to odd, "$user", public;
  create schema odd authorization odd_owner;
  alter default privileges for role odd_owner in schema odd grant select on tables to odd_reader;
  set role odd_owner;
  create type odd.mood as enum ('sad', 'it''s ok', E'two\nlines');
  create domain odd.positive as integer check (value > 0) not null default 7;
  create type odd.point3 as (x double precision, "Y y" numeric, note text);
  create type odd.span as range (subtype = timestamptz);
  create sequence odd.counter as smallint increment by -3 start with 100 minvalue -1000 maxvalue 100 cycle;
  select nextval('odd.counter'), nextval('odd.counter');
  create table odd."Mixed Case" (
    "Id" bigint generated always as identity (start with 10 increment by 5) primary key,
    gone text,
    "Mixed Case" text,
    doubled numeric generated always as (amount * 2) stored,
    amount numeric,
    precise double precision,
    small real,
    at timestamptz,
    day date,
    clock timetz,
    took interval,
    mood odd.mood not null default 'sad',
    moods odd.mood[],
    counted odd.positive,
    place odd.point3,
    spans odd.span[],
    raw bytea,
    doc jsonb,
    text_doc json,
    markup xml,
    bits bit varying(9),
    address inet,
    tags text[][],
    code char(5),
    flag boolean,
    price money,
    ts tsvector,
    kind "char",
    label name,
    relation regclass,
    routine regprocedure,
    box box,
    id uuid
  );
  alter table odd."Mixed Case" drop column gone;
  comment on column odd."Mixed Case".doc is E'A comment;\nwith "quotes", ''more'' and \\ a backslash';
  create index on odd."Mixed Case" using gin (ts);
  create unique index odd_expression on odd."Mixed Case" (left(lower("Mixed Case"), 20), "Id" desc nulls last) include (day) where flag is not false;
  insert into odd."Mixed Case" (
    "Mixed Case", amount, precise, small, at, day, clock, took, mood, moods, counted, place, spans, raw, doc, text_doc, markup, bits, address, tags, code,
    flag, price, ts, kind, label, relation, routine, box, id
  ) values
    (E'tab\there, line\nbreak, \r return, back\\slash, \\N, \\., quote '' and "', 'NaN', 'NaN', 'Infinity', 'infinity', '-infinity', '23:59:60+05:30',
     '-1 year 2 mons -3 days 04:05:06.789', E'two\nlines', array['sad', null, 'it''s ok']::odd.mood[], 1, row(0.1, 1e-20, null), '{"[2026-01-01,infinity)"}',
     '\x00ff0a5c', '{"a": [1, 2.50, null, "\u00e9\n"], "a b": {}}', '{"z": 1,  "a": 2}', '<a b="c">&amp;</a>', b'101', '10.0.0.0/8', '{{a,NULL},{"b c",""}}',
     'ab', true, 12.34, 'a:1A fat:2B', 'x', 'a label', 'odd."Mixed Case"', 'pg_catalog.length(text)', '((1,1),(0,0))', '00000000-0000-4000-8000-000000000001'),
    ('', 123456789012345678901234567890.123456789, 0.1, 1.17549435e-38, '0001-01-01 00:00:00+00 BC', '5874897-12-31', '00:00:00-15:59', '0', 'sad', '{}', 2147483647,
     row(-0.0, null, E'\t'), '{}', '', '[]', '""', null, b'', '::1', '{}', '', false, -0.01, '', ' ', '', null, null, null, null),
    (repeat('ü😀', 40000), 'Infinity', -0.0, '-0', '294276-12-31 23:59:59.999999+00', '4713-01-01 BC', null, null, 'it''s ok', null, 5, null, null,
     decode(repeat('00ff', 50000), 'hex'), 'null', 'null', null, null, null, null, null, null, null, null, null, null, 'pg_catalog.pg_class', null, null, null);
  create table odd.parent (id integer, note text) partition by range (id);
  create table odd.child_low (note text, id integer);
  alter table odd.parent attach partition odd.child_low for values from (minvalue) to (100);
  create table odd.child_rest partition of odd.parent default;
  insert into odd.parent select n, 'row ' || n from generate_series(1, 250) n;
  create table odd.base (id integer);
  create table odd.inherited (extra text) inherits (odd.base);
  insert into odd.base values (1);
  insert into odd.inherited values (2, 'more');
`;

/** What follows once rows are there. */
export const ODD_REST = String.raw`
  create table odd.tree (id integer primary key, parent_id integer references odd.tree deferrable initially deferred, stamp text);
  insert into odd.tree values (2, 1, null), (1, null, null);
  set constraints all immediate;
  create table odd.nothing ();
  insert into odd.nothing default values;
  insert into odd.nothing default values;
  create function odd.stamp() returns trigger language plpgsql set search_path = '' as $body$
  begin
    -- ALTER TABLE odd.tree OWNER TO postgres;
    new.stamp := 'stamped; $$ ''quoted''';
    return new;
  end
  $body$;
  create trigger stamp before insert or update of parent_id on odd.tree for each row when (new.id > 0) execute function odd.stamp();
  alter table odd.tree enable always trigger stamp;
  create function odd.total(from_id integer default 1) returns bigint language sql stable security definer begin atomic select sum(t.id) from odd.tree t where t.id >= from_id; end;
  create procedure odd.act(inout n integer) language plpgsql as 'begin n := n + 1; end';
  create aggregate odd.concatenated(text) (sfunc = textcat, stype = text, initcond = '');
  create view odd.leaves with (security_barrier) as select t.id, count(*) over () as n from odd.tree t where not exists (select from odd.tree c where c.parent_id = t.id);
  create rule no_delete as on delete to odd.tree where old.id = 1 do instead nothing;
  create statistics odd.correlated (dependencies) on id, parent_id from odd.tree;
  alter table odd.tree enable row level security;
  alter table odd.tree force row level security;
  create materialized view odd.sums as select odd.total() as total;
  create unique index on odd.sums (total);
  create materialized view odd.unfilled as select 1 as one with no data;
  create policy "Own rows" on odd.tree as restrictive for update to odd_reader, odd_owner using (id in (select l.id from odd.leaves l)) with check (id > 0);
  comment on policy "Own rows" on odd.tree is 'A policy.';
  grant select (id), update (stamp) on odd.tree to odd_reader with grant option;
  revoke execute on function odd.total(integer) from public;
  grant usage, select on sequence odd.counter to odd_reader;
  reset role;
  create table public.by_administrator (id integer primary key, note text default 'OWNER TO postgres;');
  insert into public.by_administrator values (1);
  set check_function_bodies = off;
  create function public.by_administrator() returns text language sql as $$
    select 'x';
-- ALTER FUNCTION public.other() OWNER TO postgres;

ALTER FUNCTION public.other() OWNER TO postgres;
  $$;
  reset check_function_bodies;
`;
