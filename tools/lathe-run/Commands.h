// The commands that run packages: verify, run, bench, inspect. `lathe-run` offers them alone, `lathe` offers them
// beside the compiler's, and an executable made by --emit=exe offers them with the model implied.
//
// Exit codes: 0 done; 1 it was tried and failed (a bad file, a mismatch), with one line "error: ..." on stderr;
// 2 the command line makes no sense.
#pragma once
#include "tools/lathe-run/AppendedPackage.h"
#include "tools/lathe-run/CommandLine.h"
#include <string>
#include <vector>

namespace lathe::tool {

inline constexpr int kFailed = 1;
inline constexpr int kUsage = 2;

// Where a package is: a file, or a part of one.
struct ModelSource {
  std::string path;
  std::optional<AppendedPackage> part;
};

struct Command {
  const char *name;
  const char *operands; // as the usage line shows them, after MODEL
  const char *summary;  // one line
  const char *details;  // further lines of the help, or ""
  size_t maxOperands;   // besides MODEL
  std::vector<Flag> flags;
  int (*run)(const ModelSource &model, const Arguments &arguments); // operands are arguments.positional
  const char *subject = "MODEL"; // what the first operand is, which becomes the model's path
};

extern const Command verifyCommand, runCommand, benchCommand, inspectCommand;

// The four of them, in the order of the help.
std::vector<const Command *> runtimeCommands();

// Runs one command on the words behind its name. `program` is what the usage line begins with, as "lathe-run".
// Where `implied` is set the command line names no model.
int runCommandMain(const std::string &program, const Command &command, const std::vector<std::string> &words,
                   const ModelSource *implied = nullptr);

// A whole command line of a program with these commands: PROGRAM COMMAND ..., --help, --version.
int runMain(const char *about, const std::vector<const Command *> &commands, int argc, char **argv,
            const ModelSource *implied = nullptr);

// Prints "error: MESSAGE" to stderr and returns `code`.
int fail(const std::string &message, int code = kFailed);

} // namespace lathe::tool
