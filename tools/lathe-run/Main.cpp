// lathe-run, and every executable that --emit=exe makes of it.
#include "tools/lathe-run/Commands.h"

int main(int argc, char **argv) {
  using namespace lathe::tool;
  std::string error, self = executablePath();
  std::optional<AppendedPackage> package = findAppendedPackage(self, error);
  if (!package && !error.empty())
    return fail(error);
  ModelSource implied{self, package};
  return runMain("Runs a model that Lathe has compiled.", runtimeCommands(), argc, argv, package ? &implied : nullptr);
}
