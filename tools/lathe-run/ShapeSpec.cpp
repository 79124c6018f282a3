#include "tools/lathe-run/ShapeSpec.h"
#include <charconv>
#include <cmath>

namespace lathe::tool {

namespace {
// Takes what stands before the next comma that is not inside single quotes off the front of `text`.
std::string_view nextItem(std::string_view &text) {
  bool quoted = false;
  size_t i = 0;
  for (; i < text.size() && (quoted || text[i] != ','); ++i)
    quoted ^= text[i] == '\'';
  std::string_view item = text.substr(0, i);
  text.remove_prefix(i);
  return item;
}

// Calls use(item) for each item between commas; an empty one is an error.
template <typename F> bool forEachItem(std::string_view text, std::string &error, F use) {
  while (true) {
    std::string_view item = nextItem(text);
    if (item.empty()) {
      error = "an empty item between commas";
      return false;
    }
    if (!use(item))
      return false;
    if (text.empty())
      return true;
    text.remove_prefix(1);
  }
}

std::string unquoted(std::string_view name) {
  if (name.size() >= 2 && name.front() == '\'' && name.back() == '\'')
    name = name.substr(1, name.size() - 2);
  return std::string(name);
}
} // namespace

std::optional<int64_t> parseInteger(std::string_view text) {
  int64_t value;
  auto [rest, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || rest != text.data() + text.size())
    return std::nullopt;
  return value;
}

std::optional<double> parseNumber(std::string_view text) {
  double value;
  auto [rest, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || rest != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

std::optional<std::vector<ShapeSpec>> parseShapes(std::string_view text, std::string &error) {
  std::vector<ShapeSpec> shapes;
  auto use = [&](std::string_view item) {
    size_t colon = item.rfind(':');
    if (colon == std::string_view::npos || colon == 0) {
      error = "'" + std::string(item) + "' is not of the form name:1x128";
      return false;
    }
    ShapeSpec spec{unquoted(item.substr(0, colon)), {}};
    for (const ShapeSpec &other : shapes)
      if (other.name == spec.name) {
        error = "'" + spec.name + "' is given twice";
        return false;
      }
    std::string_view dims = item.substr(colon + 1);
    while (dims != "scalar") {
      size_t x = dims.find('x');
      std::optional<int64_t> value = parseInteger(dims.substr(0, x));
      if (!value || *value < 0) {
        error = "the shape of '" + spec.name + "' is '" + std::string(item.substr(colon + 1)) +
                "'; expected dimensions such as 1x128";
        return false;
      }
      spec.dims.push_back(*value);
      if (x == std::string_view::npos)
        break;
      dims.remove_prefix(x + 1);
      if (dims == "scalar")
        dims = ""; // a word for the whole shape, not for a dimension
    }
    shapes.push_back(std::move(spec));
    return true;
  };
  if (!forEachItem(text, error, use))
    return std::nullopt;
  return shapes;
}

std::optional<std::vector<std::pair<std::string, int64_t>>> parseSymbols(std::string_view text, std::string &error) {
  std::vector<std::pair<std::string, int64_t>> symbols;
  auto use = [&](std::string_view item) {
    size_t equals = item.rfind('=');
    std::optional<int64_t> value =
        equals == std::string_view::npos || equals == 0 ? std::nullopt : parseInteger(item.substr(equals + 1));
    if (!value) {
      error = "'" + std::string(item) + "' is not of the form symbol=128";
      return false;
    }
    std::string name(item.substr(0, equals));
    for (auto &[other, unused] : symbols)
      if (other == name) {
        error = "'" + name + "' is given twice";
        return false;
      }
    symbols.emplace_back(std::move(name), *value);
    return true;
  };
  if (!forEachItem(text, error, use))
    return std::nullopt;
  return symbols;
}

} // namespace lathe::tool
