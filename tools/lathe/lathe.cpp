// lathe: compiles models, and offers what lathe-run does.
#include "tools/lathe/Commands.h"

int main(int argc, char **argv) {
  using namespace lathe::tool;
  std::vector<const Command *> commands = {&compileCommand,  &checkCommand,  &explainCommand,   &compareCommand,
                                           &evaluateCommand, &recipeCommand, &statisticsCommand};
  for (const Command *command : runtimeCommands())
    commands.push_back(command);
  return runMain("Compiles an ONNX Transformer into one file that runs, and runs it.", commands, argc, argv);
}
