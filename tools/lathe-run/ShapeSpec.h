// The grammar of --shapes, trtexec's: name:AxBxC[,name:AxBxC...]; "name:scalar" for a tensor without dimensions.
// A name may contain ':' (the last one counts); one with a comma is written in single quotes.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lathe::tool {

struct ShapeSpec {
  std::string name;
  std::vector<int64_t> dims;
};
std::optional<std::vector<ShapeSpec>> parseShapes(std::string_view text, std::string &error);

// "batch=8,sequence=128": values of symbols, each name once.
std::optional<std::vector<std::pair<std::string, int64_t>>> parseSymbols(std::string_view text, std::string &error);

// A whole string as a decimal integer; nothing for anything else, also when it does not fit.
std::optional<int64_t> parseInteger(std::string_view text);
// The same for a finite number in plain or exponent notation, whatever the locale.
std::optional<double> parseNumber(std::string_view text);

} // namespace lathe::tool
