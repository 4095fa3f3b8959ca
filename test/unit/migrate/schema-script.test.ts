import { expect, test } from "vitest";
import { forAdministrator, readSchemaScript } from "../../../src/migrate/schema-script.ts";

const SCRIPT = `--
-- PostgreSQL database dump
--

SET statement_timeout = 0;

--
-- Name: f(); Type: FUNCTION; Schema: public; Owner: postgres
--

CREATE FUNCTION public.f() RETURNS text LANGUAGE sql AS $$
--
ALTER FUNCTION public.g() OWNER TO postgres;
$$;


ALTER FUNCTION public.f() OWNER TO postgres;

--
-- Name: FUNCTION f(); Type: ACL; Schema: public; Owner: postgres
--

REVOKE ALL ON FUNCTION public.f() FROM PUBLIC;
GRANT ALL ON FUNCTION public.f() TO postgres;


--
-- Name: t; Type: TABLE; Schema: public; Owner: somebody
--

CREATE TABLE public.t (
    note text DEFAULT ' OWNER TO postgres;'
);


ALTER TABLE public.t OWNER TO somebody;

--
-- PostgreSQL database dump complete
--

`;

test("a script is read as its objects, without pg_dump's settings", () => {
  expect(readSchemaScript(SCRIPT).map(({ kind, name, owner }) => [kind, name, owner])).toEqual([
    ["FUNCTION", "f()", "postgres"],
    ["ACL", "FUNCTION f()", "postgres"],
    ["TABLE", "t", "somebody"],
  ]);
  expect(readSchemaScript("-- nothing\n")).toEqual([]);
});

test("the administrator of the target owns what that of the source owned, and nothing else in the script is changed", () => {
  const entries = readSchemaScript(SCRIPT);
  const texts = entries.map((entry) => forAdministrator(entry, 'the "boss"').text);
  expect(texts[0]).toBe(
    entries[0]?.text.replace(/public\.f\(\) OWNER TO postgres;$/, 'public.f() OWNER TO "the ""boss""";'),
  );
  expect(texts[0]).toContain("\nALTER FUNCTION public.g() OWNER TO postgres;\n");
  expect(texts[1]).toBe(
    'REVOKE ALL ON FUNCTION public.f() FROM PUBLIC;\nGRANT ALL ON FUNCTION public.f() TO "the ""boss""";',
  );
  expect(texts[2]).toBe(entries[2]?.text);
});
