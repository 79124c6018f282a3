#include "tools/lathe-run/ComparisonTable.h"
#include "tools/lathe-run/Commands.h"
#include "tools/lathe-run/Table.h"

namespace lathe::tool {

ComparisonTable::ComparisonTable(const std::string &subject)
    : rows{{subject, "output", "shape", ">max abs", ">max rel", ">cosine", "result"}} {}

std::vector<Flag> ComparisonTable::flags() {
  return {{"--rtol", "X", "relative tolerance (default 1e-3)"}, {"--atol", "X", "absolute tolerance (default 1e-4)"}};
}

bool ComparisonTable::parse(const Arguments &arguments, std::string &error) {
  double largest = 1e300;
  return arguments.number("--rtol", 1e-3, 0, largest, tolerance.relative, error) &&
         arguments.number("--atol", 1e-4, 0, largest, tolerance.absolute, error);
}

void ComparisonTable::add(const std::string &subject, const std::string &output, const Tensor &got,
                          const Tensor &expected) {
  std::string where = "'" + subject + "', output '" + output + "': ";
  std::string shape = std::string(typeName(got.type)) + " " + shapeText(got.dims);
  if (got.type != expected.type || got.dims != expected.dims) {
    notes.push_back(where + "expected " + typeName(expected.type) + " " + shapeText(expected.dims) + ", got " + shape);
    rows.push_back({subject, output, shape, "-", "-", "-", "MISMATCH"});
    return;
  }
  Difference d = compare(got, expected, tolerance);
  rows.push_back({subject, output, shape, numberText(d.maxAbsolute, 3), numberText(d.maxRelative, 3),
                  numberText(d.cosine, 9), d.matches() ? "ok" : "MISMATCH"});
  if (!d.matches())
    notes.push_back(where + std::to_string(d.mismatches) + " of " + std::to_string(d.count) +
                    " elements differ; the first is element " + std::to_string(d.first) + ": expected " +
                    numberText(d.expectedFirst, 9) + ", got " + numberText(d.gotFirst, 9));
}

int ComparisonTable::finish() const {
  printTable(rows);
  for (const std::string &note : notes)
    fail(note);
  return notes.empty() ? 0 : kFailed;
}

} // namespace lathe::tool
