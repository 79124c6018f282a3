#include "tools/lathe-run/Commands.h"
#include "runtime/include/lathe/lathe.h"
#include <algorithm>
#include <cstdio>

namespace lathe::tool {

namespace {
// "  --name=VALUE   help", the help's lines indented alike.
void printFlag(const Flag &flag) {
  std::string head = std::string("  ") + flag.name + (flag.value ? std::string("=") + flag.value : "");
  std::string help = flag.help;
  constexpr size_t column = 26;
  if (head.size() + 2 > column) {
    std::printf("%s\n", head.c_str());
    head.clear();
  }
  for (size_t begin = 0; begin <= help.size();) {
    size_t end = std::min(help.find('\n', begin), help.size());
    std::printf("%-*s%s\n", int(column), head.c_str(), help.substr(begin, end - begin).c_str());
    head.clear();
    begin = end + 1;
  }
}

std::string usageLine(const std::string &program, const Command &command, bool implied) {
  std::string line = "usage: " + program + " " + command.name + (implied ? "" : std::string(" ") + command.subject);
  return line + (*command.operands ? " " : "") + command.operands + " [flags]";
}

void printHelp(const std::string &program, const Command &command, bool implied) {
  std::printf("%s\n\n%s\n", usageLine(program, command, implied).c_str(), command.summary);
  if (*command.details)
    std::printf("\n%s\n", command.details);
  std::printf("\nflags:\n");
  for (const Flag &flag : command.flags)
    printFlag(flag);
  printFlag({"--help", nullptr, "print this"});
}

void printHelp(const std::string &program, const char *about, const std::vector<const Command *> &commands,
               bool implied) {
  std::printf("usage: %s COMMAND%s ...\n\n%s\n\ncommands:\n", program.c_str(), implied ? "" : " MODEL", about);
  for (const Command *command : commands)
    std::printf("  %-10s%s\n", command->name, command->summary);
  std::printf("\n'%s COMMAND --help' explains a command, '%s --version' prints the version.\n", program.c_str(),
              program.c_str());
}

// What was printed may have gone nowhere: to a full disk, to a closed pipe.
int finish(int code) {
  if ((std::fflush(stdout) != 0 || std::ferror(stdout)) && code == 0)
    return fail("can't write to standard output");
  return code;
}
} // namespace

std::vector<const Command *> runtimeCommands() { return {&verifyCommand, &runCommand, &benchCommand, &inspectCommand}; }

int fail(const std::string &message, int code) {
  std::fflush(stdout);
  std::fprintf(stderr, "error: %s\n", message.c_str());
  return code;
}

int runCommandMain(const std::string &program, const Command &command, const std::vector<std::string> &words,
                   const ModelSource *implied) {
  if (std::any_of(words.begin(), words.end(), [](const std::string &w) { return w == "--help" || w == "-h"; })) {
    printHelp(program, command, implied);
    return finish(0);
  }
  std::string hint = "; hint: " + program + " " + command.name + " --help";
  Arguments arguments;
  std::string error;
  if (!arguments.parse(command.flags, words, error))
    return fail(error + hint, kUsage);
  ModelSource model;
  if (implied) {
    model = *implied;
  } else {
    if (arguments.positional.empty())
      return fail((command.subject == std::string_view("MODEL") ? "which model? " : "what? ") +
                      usageLine(program, command, false),
                  kUsage);
    model.path = arguments.positional.front();
    arguments.positional.erase(arguments.positional.begin());
  }
  if (arguments.positional.size() > command.maxOperands)
    return fail("unexpected operand '" + arguments.positional[command.maxOperands] + "'" + hint, kUsage);
  return finish(command.run(model, arguments));
}

int runMain(const char *about, const std::vector<const Command *> &commands, int argc, char **argv,
            const ModelSource *implied) {
  std::string program = argc > 0 ? argv[0] : "lathe";
  program = program.substr(program.rfind('/') + 1);
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (words.empty() || words[0] == "--help" || words[0] == "-h" || words[0] == "help") {
    printHelp(program, about, commands, implied);
    return finish(words.empty() ? kUsage : 0);
  }
  if (words[0] == "--version") {
    std::printf("%s %s\n", program.c_str(), lathe_get_api(LATHE_API_VERSION)->version_string());
    return finish(0);
  }
  std::vector<std::string> names;
  for (const Command *command : commands) {
    if (words[0] == command->name)
      return runCommandMain(program, *command, {words.begin() + 1, words.end()}, implied);
    names.push_back(command->name);
  }
  std::optional<std::string> meant = nearest(words[0], names);
  bool flag = words[0][0] == '-';
  return fail(std::string("unknown ") + (flag ? "flag '" : "command '") + words[0] + "'" +
                  (meant && !flag ? "; did you mean '" + *meant + "'?" : "") + "; hint: " + program + " --help",
              kUsage);
}

} // namespace lathe::tool
