// Flags of a command: `--name value`, `--name=value`, or `--name` alone where it takes no value. What does not begin
// with '-' is positional; so is everything behind "--". Unknown flags are errors that suggest the nearest known one.
#pragma once
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lathe::tool {

struct Flag {
  const char *name;  // with its dashes: "--threads"
  const char *value; // what the help calls its value; null for a flag without
  const char *help;
  // A list may be given several times, and takes every following word that contains '=' too:
  // --input a=a.npy b=b.npy. Any other flag may be given once.
  bool list = false;
};

class Arguments {
public:
  // False with a sentence in `error` when `words` do not fit `flags`.
  bool parse(const std::vector<Flag> &flags, const std::vector<std::string> &words, std::string &error);

  bool has(std::string_view flag) const;
  std::optional<std::string> value(std::string_view flag) const;
  std::vector<std::string> values(std::string_view flag) const;

  // The number of a flag, or `otherwise` where it is not given. Outside [min, max] it is an error.
  bool integer(std::string_view flag, int64_t otherwise, int64_t min, int64_t max, int64_t &out,
               std::string &error) const;
  bool number(std::string_view flag, double otherwise, double min, double max, double &out, std::string &error) const;

  std::vector<std::string> positional;

private:
  struct Given {
    std::string flag, value;
  };
  std::vector<Given> given;
};

// The one of `known` that is closest to `word` by edit distance, when it is close enough to be what was meant.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string> &known);

} // namespace lathe::tool
