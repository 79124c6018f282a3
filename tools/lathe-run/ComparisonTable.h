// What verify and compare print: a row for each output, and a sentence for each that does not match.
#pragma once
#include "tools/lathe-run/CommandLine.h"
#include "tools/lathe-run/Compare.h"
#include <string>
#include <vector>

namespace lathe::tool {

class ComparisonTable {
public:
  // `subject` heads the first column: what was run, or on what.
  explicit ComparisonTable(const std::string &subject);

  // --rtol and --atol. False with a message where one is no number.
  static std::vector<Flag> flags();
  bool parse(const Arguments &arguments, std::string &error);

  // Compares an output; shapes and element types must agree as well.
  void add(const std::string &subject, const std::string &output, const Tensor &got, const Tensor &expected);
  // Prints the table to stdout and the sentences as errors; the command's exit code, 0 where all match.
  int finish() const;

private:
  Tolerance tolerance;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> notes;
};

} // namespace lathe::tool
