// A package appended to an executable: what `lathe compile --emit=exe` writes and what the static runner finds in
// itself.
//
//   [0, n)          the runner, an ELF file, as `lathe-run` is
//   [n, offset)     zeros, up to a multiple of kPackageAlignment, so that the package can be mapped
//   [offset, end)   the package, byte for byte what `model.lathe` would be
//   [end, end+16)   the trailer: 8 bytes "LATHEEXE", then `offset` as a little-endian u64; the file ends here
//
// The trailer stands at the end, so that the runner's own size need not be known. `strip` on such a file drops what is
// appended: strip the runner first.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace lathe::tool {

inline constexpr char kTrailerMagic[8] = {'L', 'A', 'T', 'H', 'E', 'E', 'X', 'E'};
inline constexpr uint64_t kTrailerSize = 16;
inline constexpr uint64_t kPackageAlignment = 4096;

// Where a package lies in a file, in bytes.
struct AppendedPackage {
  uint64_t offset;
  uint64_t size;
};

// Looks for a trailer at the end of `path`. Returns nothing where there is none (then `error` is empty) and where there
// is one that is not sound (then `error` says what is wrong with it).
std::optional<AppendedPackage> findAppendedPackage(const std::string &path, std::string &error);

// Writes such a file: `runner` with the package in the file `package` appended, executable by whoever may read it.
// Where `runner` has one appended already, it is left out. `output` appears whole or not at all; it may be `package`
// itself.
bool appendPackage(const std::string &runner, const std::string &package, const std::string &output,
                   std::string &error);

// The path of the running executable, for findAppendedPackage; empty where the system does not tell.
std::string executablePath();

} // namespace lathe::tool
