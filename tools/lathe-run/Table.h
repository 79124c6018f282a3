// Text tables and quantities for people: columns padded to their widest cell, numbers short.
#pragma once
#include <string>
#include <vector>

namespace lathe::tool {

// Prints to stdout. The first row is the heading. Columns whose heading begins with '>' are set to the right.
void printTable(std::vector<std::vector<std::string>> rows);

std::string bytesText(unsigned long long bytes);   // "512 B", "1.5 KiB", "86.7 MiB"
std::string numberText(double value, int digits);  // significant digits, as printf's %g, whatever the locale
std::string millisecondsText(double milliseconds); // "17.702", three decimals

} // namespace lathe::tool
