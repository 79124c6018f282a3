// The simplify phase as a pipeline of passes.
#include "passes/Simplify/Pipeline.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Passes.h"

using namespace mlir;

void lathe::buildSimplifyPipeline(OpPassManager &manager, const SimplifyOptions &options) {
  manager.addPass(createCanonicalizePass());
  manager.addPass(createFoldConstantsPass());
  manager.addPass(createCSEPass());
  manager.addPass(createCanonicalizePass());
  if (options.recover) {
    manager.addPass(createRecoverQuantizedPass());
    manager.addPass(createRecoverLinearPass());
    manager.addPass(createRecoverNormsPass());
    manager.addPass(createRecoverActivationsPass());
    manager.addPass(createRecoverEmbeddingPass());
    manager.addPass(createTieWeightsPass());
    manager.addPass(createRecoverRotaryPass());
    manager.addPass(createRecoverAttentionPass());
    manager.addPass(createRecoverPoolingPass());
    manager.addPass(createHoistSlicesPass());
    manager.addPass(createCSEPass());
    manager.addPass(createCanonicalizePass());
  }
  if (!options.requireFused.empty())
    manager.addPass(createRequireFusedPass({options.requireFused}));
}
