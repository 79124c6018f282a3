#include "tools/lathe-run/Table.h"
#include <algorithm>
#include <charconv>
#include <cstdio>

namespace lathe::tool {

namespace {
// Columns, not bytes: UTF-8's continuation bytes take no room.
size_t width(const std::string &text) {
  return size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string format(double value, std::chars_format how, int precision) {
  char buffer[400];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, value, how, precision).ptr);
}
} // namespace

void printTable(std::vector<std::vector<std::string>> rows) {
  std::vector<bool> right;
  std::vector<size_t> widths;
  for (std::string &heading : rows[0]) {
    right.push_back(heading[0] == '>');
    if (right.back())
      heading.erase(0, 1);
  }
  for (size_t c = 0; c < rows[0].size(); ++c) {
    widths.push_back(0);
    for (const auto &row : rows)
      widths[c] = std::max(widths[c], width(row[c]));
  }
  for (const auto &row : rows) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      std::string padding(widths[c] - width(row[c]), ' ');
      line += (c ? "  " : "") + (right[c] ? padding + row[c] : row[c] + padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    std::printf("%s\n", line.c_str());
  }
}

std::string bytesText(unsigned long long bytes) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  int unit = 0;
  double value = double(bytes);
  while (value >= 1024) {
    value /= 1024;
    ++unit;
  }
  return format(value, std::chars_format::fixed, unit ? 1 : 0) + " " + units[unit];
}

std::string numberText(double value, int digits) { return format(value, std::chars_format::general, digits); }
std::string millisecondsText(double milliseconds) { return format(milliseconds, std::chars_format::fixed, 3); }

} // namespace lathe::tool
