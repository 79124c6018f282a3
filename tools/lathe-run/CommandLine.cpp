#include "tools/lathe-run/CommandLine.h"
#include "tools/lathe-run/ShapeSpec.h"
#include <algorithm>
#include <charconv>

namespace lathe::tool {

bool Arguments::parse(const std::vector<Flag> &flags, const std::vector<std::string> &words, std::string &error) {
  bool onlyPositional = false;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string &word = words[i];
    if (onlyPositional || word.size() < 2 || word[0] != '-') {
      positional.push_back(word);
      continue;
    }
    if (word == "--") {
      onlyPositional = true;
      continue;
    }
    size_t equals = word.find('=');
    std::string name = word.substr(0, equals);
    auto flag = std::find_if(flags.begin(), flags.end(), [&](const Flag &f) { return name == f.name; });
    if (flag == flags.end()) {
      std::vector<std::string> known;
      known.reserve(flags.size());
      for (const Flag &f : flags)
        known.push_back(f.name);
      std::optional<std::string> meant = nearest(name, known);
      error = "unknown flag '" + name + "'" + (meant ? "; did you mean '" + *meant + "'?" : "");
      return false;
    }
    if (!flag->list && has(name)) {
      error = "flag '" + name + "' is given twice";
      return false;
    }
    if (!flag->value) {
      if (equals != std::string::npos) {
        error = "flag '" + name + "' takes no value, got '" + word.substr(equals + 1) + "'";
        return false;
      }
      given.push_back({name, ""});
      continue;
    }
    if (equals != std::string::npos) {
      given.push_back({name, word.substr(equals + 1)});
    } else if (i + 1 < words.size()) {
      given.push_back({name, words[++i]});
    } else {
      error.assign("flag '").append(name).append("' needs a value: ").append(name).append("=").append(flag->value);
      return false;
    }
    while (flag->list && i + 1 < words.size() && words[i + 1][0] != '-' && words[i + 1].find('=') != std::string::npos)
      given.push_back({name, words[++i]});
  }
  return true;
}

bool Arguments::has(std::string_view flag) const {
  return std::any_of(given.begin(), given.end(), [&](const Given &g) { return g.flag == flag; });
}

std::optional<std::string> Arguments::value(std::string_view flag) const {
  for (const Given &g : given)
    if (g.flag == flag)
      return g.value;
  return std::nullopt;
}

std::vector<std::string> Arguments::values(std::string_view flag) const {
  std::vector<std::string> all;
  for (const Given &g : given)
    if (g.flag == flag)
      all.push_back(g.value);
  return all;
}

bool Arguments::integer(std::string_view flag, int64_t otherwise, int64_t min, int64_t max, int64_t &out,
                        std::string &error) const {
  std::optional<std::string> text = value(flag);
  std::optional<int64_t> parsed = text ? parseInteger(*text) : otherwise;
  if (!parsed || *parsed < min || *parsed > max) {
    error = std::string(flag) + ": expected an integer from " + std::to_string(min) + " to " + std::to_string(max) +
            ", got '" + text.value_or("") + "'";
    return false;
  }
  out = *parsed;
  return true;
}

bool Arguments::number(std::string_view flag, double otherwise, double min, double max, double &out,
                       std::string &error) const {
  std::optional<std::string> text = value(flag);
  std::optional<double> parsed = text ? parseNumber(*text) : otherwise;
  if (!parsed || *parsed < min || *parsed > max) {
    auto shown = [](double v) {
      char buffer[32];
      return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, v).ptr);
    };
    error = std::string(flag) + ": expected a number from " + shown(min) + " to " + shown(max) + ", got '" +
            text.value_or("") + "'";
    return false;
  }
  out = *parsed;
  return true;
}

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string> &known) {
  std::optional<std::string> best;
  size_t bestDistance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string &candidate : known) {
    // Levenshtein's distance, one row at a time.
    std::vector<size_t> row(candidate.size() + 1);
    for (size_t j = 0; j < row.size(); ++j)
      row[j] = j;
    for (size_t i = 0; i < word.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i + 1;
      for (size_t j = 0; j < candidate.size(); ++j) {
        size_t replaced = diagonal + (word[i] != candidate[j]);
        diagonal = row[j + 1];
        row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
      }
    }
    if (row.back() < bestDistance) {
      bestDistance = row.back();
      best = candidate;
    }
  }
  return best;
}

} // namespace lathe::tool
