"""Finds what can be mutated in a device skeleton (compiler/Cuda/Device/*.h), and writes all mutants as one text.

The text holds every mutant, of which an environment variable chooses one when the kernel is loaded ("mutant schemata",
Untch, Offutt and Harrold 1993): a kernel is compiled once, not once for each mutant. Kinds of sites:
  removed   a barrier, wait, fence or commit that isn't executed
  argument, subscript, place, result   an index that is one more: what is given to a function, stands in brackets,
            initialises or changes an integer, is returned
  bound     a comparison with one more: < becomes <=, >= becomes >
  guard     a condition of an if, or one side of &&, that always holds
Which expressions are integers only the compiler knows: `shifted` leaves others as they are and says so. What the emulator
doesn't compile has no sites, nor have its own checks (LATHE_EXPECT), nor the bits of values: what goes into a fragment's
registers, what a float starts with, what is rounded, packed or cast.

A tokenizer that knows how clang-format sets the text is enough: a comparison has spaces around it, template arguments
have none.
"""
import re
from dataclasses import dataclass

SYNCHRONISES = re.compile(r"(sync|arrive|fence|mbarrier|grid_dependency)_\w+|cp_async_(wait|commit)|wgmma_(fence|commit|wait)")
INTEGERS = {"u32", "index", "int", "u64", "i64"}
# Names before a parenthesis that give no index to a function; a cast's operand is part of what is shifted around it.
NO_CALLS = INTEGERS | {"if", "for", "while", "switch", "return", "sizeof", "decltype", "float", "T", "void", "static_cast",
                       "reinterpret_cast", "alignas", "static_assert"}
KEYWORDS_BEFORE_EXPRESSION = {"return", "else", "case", "const"}
TOKEN = re.compile(r"""(?P<space>\s+|//[^\n]*|/\*.*?\*/|\#(?:[^\n]*\\\n)*[^\n]*)|(?P<name>[A-Za-z_]\w*)
    |(?P<number>\d[\w.']*)|(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    |(?P<sign>::|->|\+\+|--|&&|\|\||<<=|>>=|[-+*/%&|^=!<>]=|\.\.\.|<<|[^\w\s])""", re.X | re.S)
VALUES = {"to_tf32", "pack", "bit_cast"}  # their arguments and results
REGISTERS = {"r", "rows", "columns"}  # of fragments
# What only a device compiles, and what only the emulator does: its checks.
NOT_MUTATED = re.compile(r"^#else.*?^#endif|^#ifndef LATHE_CUDA_SIM.*?^#endif|^#ifdef LATHE_CUDA_SIM\n(?:[^#][^\n]*\n|\n)*#endif", re.M | re.S)
CLOSES = {"(": ")", "[": "]", "{": "}"}


@dataclass
class Site:
    kind: str
    function: str
    begin: int  # of the expression, or of the statement that is removed
    end: int
    line: int
    text: str
    id: int = 0
    file: str = ""

    def key(self):
        """What stays the same when other code changes."""
        return f"{self.file} {self.function}: {self.kind} {self.text}"


class Finder:
    def __init__(self, source):
        self.source = source
        self.tokens = []  # (text, begin, end)
        for match in TOKEN.finditer(NOT_MUTATED.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), source)):
            if match.lastgroup != "space":
                self.tokens.append((match.group(), match.start(), match.end()))
        self.sites = []
        self.returns = False  # whether the function in hand gives a value
        self.pair = {}  # of brackets
        self.declared = set()  # brackets that close a dimension of a declared array
        self.match_brackets()
        self.match_templates()

    def at(self, i):
        return self.tokens[i][0] if 0 <= i < len(self.tokens) else ""

    def spaced(self, i):
        """Whether there is a space in front of the token."""
        return i == 0 or self.tokens[i - 1][2] != self.tokens[i][1]

    def is_name(self, i):
        return re.match(r"[A-Za-z_]", self.at(i)) is not None

    def match_brackets(self):
        stack = []
        for i, (text, _, _) in enumerate(self.tokens):
            if text in CLOSES:
                stack.append(i)
            elif text in CLOSES.values():
                opening = stack.pop()
                self.pair[opening], self.pair[i] = i, opening

    def match_templates(self):
        """Template arguments: `name<`, without a space, up to the `>` that closes it."""
        for i in range(len(self.tokens)):
            if self.at(i) != "<" or i in self.pair:
                continue
            if self.at(i - 1) != "template" and (not self.is_name(i - 1) or self.spaced(i) or self.spaced(i + 1)):
                continue
            depth, k = 1, i + 1
            while depth and self.at(k) not in (";", ""):
                if self.at(k) in CLOSES:
                    k = self.pair[k]
                elif self.at(k) == "<" and not self.spaced(k):
                    depth += 1
                elif self.at(k) == ">" and not self.spaced(k):
                    depth -= 1
                k += 1
            if depth == 0:
                self.pair[i], self.pair[k - 1] = k - 1, i

    def add(self, kind, function, first, last, what=""):
        """A site over the tokens first to last, inclusively."""
        begin, end = self.tokens[first][1], self.tokens[last][2]
        text = " ".join(self.source[begin:end].split())
        self.sites.append(Site(kind, function, begin, end, self.source.count("\n", 0, begin) + 1, what + text))

    def run_end(self, i, last, stops):
        """The last token of the expression that begins at i: in front of one of `stops` or of a closing bracket."""
        while i <= last:
            text = self.at(i)
            if text in stops or text in CLOSES.values():
                return i - 1
            i = self.pair.get(i, i) + 1
        return last

    def split(self, first, last):
        """Ranges between commas."""
        while first <= last:
            end = self.run_end(first, last, {","})
            if end >= first:
                yield first, end
            first = end + 2

    def find(self):
        """Function bodies anywhere."""
        struct = ""
        i = 0
        while i < len(self.tokens):
            if self.at(i) == "struct" and self.is_name(i + 1):
                struct = self.at(i + 1)
            if self.at(i) == "{" and (self.at(i - 1) == ")" or self.at(i - 1) == "const" and self.at(i - 2) == ")"):
                opening = self.pair[i - 1 if self.at(i - 1) == ")" else i - 2]
                begin = opening
                while self.at(begin - 1) not in (";", "{", "}", ""):
                    begin -= 1
                if "constexpr" not in [self.at(k) for k in range(begin, opening)]:
                    self.returns = self.at(opening - 2) != "void"
                    self.find_in_body(f"{struct}::{self.at(opening - 1)}" if struct else self.at(opening - 1), i + 1,
                                      self.pair[i] - 1)
                i = self.pair[i]
            elif self.at(i) == "}" and self.at(i + 1) == ";":
                struct = ""
            i += 1
        return self.sites

    def find_in_body(self, function, first, last):
        i = first
        while i <= last:
            text = self.at(i)
            # Not executed: constants, types, templates' arguments.
            if text in ("constexpr", "using", "static_assert") and self.at(i - 1) != "if":
                i = self.run_end(i, last, {";"}) + 1
                continue
            if text == "constexpr":
                i = self.pair[i + 1] + 1
                continue
            if text == "<" and i in self.pair:
                i = self.pair[i] + 1
                continue
            if text in ("sizeof", "decltype", "asm", "LATHE_EXPECT"):
                i = self.run_end(i, last, {";", ","}) if self.at(i + 1) != "(" else self.pair[i + 1] + 1
                continue
            self.find_at(i, last, function)
            i += 1

    def callee(self, i):
        """The name in front of the parenthesis at i, or None."""
        k = i - 1
        if self.at(k) == ">" and k in self.pair:
            k = self.pair[k] - 1
        return k if self.is_name(k) and self.at(k) not in NO_CALLS else None

    def find_at(self, i, last, function):
        text = self.at(i)
        if SYNCHRONISES.fullmatch(text) and (self.at(i - 1) in (";", "{", "}", ")", "else")):
            k = self.pair.get(i + 1, i) + 1 if self.at(i + 1) == "<" else i + 1
            if self.at(k) == "(" and self.at(self.pair[k] + 1) == ";":
                self.add("removed", function, i, self.pair[k] + 1)
        if text == "(":
            self.find_call(i, function)
        elif text == "{" and self.is_name(i - 1) and self.is_name(i - 2):
            for n, (a, b) in enumerate(self.split(i + 1, self.pair[i] - 1)):
                if self.at(a) != "{":
                    self.add("argument", function, a, b, f"{n} of {self.at(i - 2)}: ")
        elif text == "[":
            declares = self.is_name(i - 2) and self.at(i - 2) not in KEYWORDS_BEFORE_EXPRESSION or self.at(i - 2) == ">"
            declares |= self.at(self.pair[i] + 1) == "=" and self.at(self.pair[i] + 2) == "{"
            if self.is_name(i - 1) and declares:
                self.declared.add(self.pair[i])
            elif i - 1 in self.declared:  # its next dimension
                self.declared.add(self.pair[i])
            elif self.is_name(i - 1) or self.at(i - 1) in ("]", ")"):
                base = i - 1
                while self.at(base) in ("]", ")"):
                    base = self.pair[base] - 1
                self.add("subscript", function, i + 1, self.pair[i] - 1, self.at(base) + ": ")
        elif text in ("=", "+=", "-=", "^=", "|=", "&=", "<<=", ">>=", "*="):
            end = self.run_end(i + 1, last, {";", ","})
            target = i - 1
            while self.at(target) in ("]", ")"):
                target = self.pair[target] - 1
            value = self.at(i + 1) in VALUES or self.at(target - 1) == "." and self.at(target) in REGISTERS
            value = value or self.declares_float(target)
            if self.at(i + 1) != "{" and not (text == "=" and self.at(i + 1) in ("[",)) and not value:
                self.add("place", function, i + 1, end, f"{self.at(target)} {text} ")
        elif text in ("<", ">", "<=", ">=") and i not in self.pair and self.spaced(i) and self.spaced(i + 1):
            stops = {"&&", "||", "?", ":", ";", ",", "==", "!="}
            first = i - 1
            while self.at(first - 1) not in stops | {"(", "{", "[", "=", "return"} or first in self.pair and first > self.pair[first]:
                first = self.pair[first] if first in self.pair and self.pair[first] < first else first - 1
            left = " ".join(self.source[self.tokens[first][1]:self.tokens[i][2]].split())
            self.add("bound", function, i + 1, self.run_end(i + 1, last, stops), left + " ")
        elif text == "return" and self.returns and self.at(i + 1) not in (";", "{"):
            self.add("result", function, i + 1, self.run_end(i + 1, last, {";"}), "return ")
        elif text == "&&":
            self.find_guards(i, last, function)

    def declares_float(self, i):
        """Whether the statement of token i begins with that type."""
        while self.at(i - 1) not in (";", "(", "{", "}", ""):
            i = min(i - 1, self.pair.get(i - 1, i - 1))
        return self.at(i + (self.at(i) == "const")) == "float"

    def find_call(self, i, function):
        close = self.pair[i]
        if self.at(i - 1) == "if":
            if not any(self.at(k) == "&&" for k in range(i, close)):  # those are guards on their own
                self.add("guard", function, i + 1, close - 1, "if ")
            return
        name = self.callee(i)
        if name is None or close == i + 1 or self.at(name).startswith("__") or self.at(name) in VALUES:
            return
        for n, (a, b) in enumerate(self.split(i + 1, close - 1)):
            if self.at(a) not in ("{", "[") and self.at(a)[0] != '"':
                self.add("argument", function, a, b, f"{n} of {self.at(name)}: ")

    def find_guards(self, i, last, function):
        stops = {"&&", "||", "?", ":", ";", ",", "=", "return"}
        first = i
        while self.at(first - 1) not in stops | {"(", "{", "["}:
            first -= 1
            first = min(first, self.pair.get(first, first))
        if self.at(first - 1) != "&&":
            self.add("guard", function, first, i - 1)
        self.add("guard", function, i + 1, self.run_end(i + 1, last, stops))


def find_sites(file, source):
    sites = Finder(source).find()
    for site in sites:
        site.file = file
    return sorted(sites, key=lambda site: (site.begin, -site.end))


def write_mutants(source, sites):
    """The source with every site's mutant in it, on the same lines."""
    edits = []  # (position, order among those there, text); what ends at a position does so before others begin
    for site in sites:
        if site.kind == "removed":
            opening, closing = f"{{ if (!mutant({site.id})) ", " }"
        elif site.kind == "guard":
            opening, closing = f"guarded<{site.id}>(", ")"
        else:
            opening, closing = f"shifted<{site.id}>(", ")"
        edits.append((site.begin, (1, -site.end, site.id), opening))
        edits.append((site.end, (0, -site.begin, -site.id), closing))
    text, place = "", 0
    for position, _, piece in sorted(edits):
        text += source[place:position] + piece
        place = position
    return text + source[place:]


# Stands behind Primitives.h. What a kernel reaches goes to a file that is mapped, so that a crash loses nothing.
SUPPORT = """
extern "C" {
char *getenv(const char *);
int atoi(const char *), open(const char *, int, ...);
void *mmap(void *, unsigned long, int, int, int, long);
}
#define SMALL inline __attribute__((always_inline))
namespace device {
struct Mutation {
  unsigned char none[COUNT], *seen = none;
  u32 chosen = ~0u;
  Mutation() {
    if (const char *text = getenv("LATHE_MUTANT"))
      chosen = u32(atoi(text));
    if (const char *path = getenv("LATHE_MUTANTS_SEEN"))
      seen = static_cast<unsigned char *>(mmap(nullptr, COUNT, 3, 1, open(path, 2), 0)); // read and write, shared
  }
};
static Mutation mutation;
SMALL u32 mutant(u32 site) {
  mutation.seen[site] |= 1;
  return mutation.chosen == site;
}
template <class T> constexpr bool kIsIndex =
    __is_same(T, u32) || __is_same(T, int) || __is_same(T, index) || __is_same(T, u64) || __is_same(T, long);
template <u32 kSite, class T> SMALL decltype(auto) shifted(T &&x) {
  if constexpr (kIsIndex<__remove_cvref(T)>) {
    return static_cast<__remove_cvref(T)>(x + mutant(kSite));
  } else {
    mutation.seen[kSite] |= 2;
    return static_cast<T &&>(x);
  }
}
template <u32 kSite, class T> SMALL bool guarded(const T &x) { return bool(x) | mutant(kSite); }
} // namespace device
// What follows is compiled as it stands: ten times as fast, and it runs at half the speed.
#undef __forceinline__
#define __forceinline__ inline
#pragma clang optimize off
"""
