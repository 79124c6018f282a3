// lathe-opt: runs single passes over IR, for tests.
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Passes.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  registry.insert<mlir::func::FuncDialect, lathe::tfm::TfmDialect, lathe::kernel::KernelDialect,
                  lathe::program::ProgramDialect>();
  mlir::registerCanonicalizerPass();
  mlir::registerCSEPass();
  lathe::registerLathePasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(argc, argv, "Lathe's pass driver\n", registry));
}
