"""The indenter: where the kernel's style would have a line begin."""

from __future__ import annotations

import pytest

from harness.series.mend.indent import Indenter, blanks, columns

SNIPPETS = {
    "nested ifs without braces": """\
int f(int a)
{
\tif (a)
\t\tif (b)
\t\t\tfoo();
\t\telse
\t\t\tbar();
\tbaz();
}
""",
    "else chains": """\
void f(void)
{
\tif (a) {
\t\tfoo();
\t} else if (b)
\t\tbar();
\telse {
\t\tbaz();
\t}
\tfor (;;)
\t\tif (a) {
\t\t\tfoo();
\t\t}
\tdone();
}
""",
    "switch": """\
int f(int a)
{
\tswitch (a) {
\tcase 1:
\tcase 2: {
\t\tint b;

\t\tbreak;
\t}
\tcase A ... B:
\t\tif (b)
\t\t\tbreak;
\t\tfallthrough;
\tdefault:
\t\tfoo();
\t}
\treturn 0;
}
""",
    "arguments": """\
static int f(struct vm *a,
\t     struct vm *b)
{
\tint ret = foo(a, bar(b,
\t\t\t     c), d);
\tif (a && (b ||
\t\t  c))
\t\treturn 1;
\tfoo(
\t\ta, b,
\t\tc);
\treturn a &&
\t       b;
}
""",
    "initialisers": """\
static const struct ops example_ops = {
\t.open = example_open,
\t.nested = {
\t\t.a = 1,
\t},
\t.close = example_close
};

enum state {
\tA,
\tB = 2,
};
""",
    "comments": """\
/*
 * Begin
 */
int f(void)
{
\t/*
\t * One; two {
\t */
\tfoo(); /* trailing */
\tif (a) /* why */
\t\tbar();
\tchar *s = "a { \\" b";
\tbaz();
}
""",
    "macro": """\
#define FOO(a)\t\t\\
do {\t\t\t\\
\tif (a)\t\t\\
\t\tbar();\t\\
} while (0)
int x;
""",
    "labels and conditions": """\
int f(void)
{
\tint a;

#ifdef CONFIG_A
\tfoo();
#endif
\tgoto out;
out:
\treturn 0;
}
EXPORT_SYMBOL(f);
""",
    "a loop by macro": """\
void f(void)
{
\tlist_for_each_entry(a, b, c)
\t\tfoo(a);
\tdo {
\t\tbar();
\t} while (a);
\tbaz();
}
""",
    "type on its own line": """\
static inline struct example *
example_find(int a)
{
\tfoo();
}
""",
}  # fmt: skip


@pytest.mark.parametrize("name", SNIPPETS)
def test_each_line_is_where_it_is_expected(name: str) -> None:
    indenter = Indenter()
    for line in SNIPPETS[name].encode().split(b"\n"):
        text = line.strip()
        if text and not (name == "macro" and text.startswith((b"do {", b"if (a)", b"bar();", b"}"))):
            assert (indenter.expect(text), text) == (columns(line), text)
        indenter.take(line)


def test_a_half_that_is_compiled_out_does_not_confuse_the_next_function() -> None:
    indenter = Indenter()
    for line in b"int f(void)\n{\n#ifdef A\n\tif (a) {\n#else\n\tif (b) {\n#endif\n\t}\n}\n\nint g(void)".split(b"\n"):
        indenter.take(line)
    assert indenter.expect(b"{") == 0
    indenter.take(b"{")
    assert indenter.expect(b"foo();") == 8


def test_columns_are_written_as_tabs_then_blanks() -> None:
    assert blanks(21) == b"\t\t     "
    assert columns(b" \t  x") == 10
