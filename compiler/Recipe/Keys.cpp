#include "compiler/Recipe/Keys.h"

using namespace lathe;
using namespace lathe::recipe;
using llvm::StringRef;

static constexpr double kMax = 1e9;

// Whether a layer's statistics are of the model with the layers before it compressed by this stage.
#define PROPAGATION {"propagation", KeyType::Choice, "parallel,sequential"}
// How much of H's mean diagonal is added before it is factorized.
#define DAMPING {"damping", KeyType::Number, "", 0, 1}

static constexpr Key kShare[] = {
    {"method", KeyType::Choice, "exact,layers,codebook"},
    {"count", KeyType::Integer, "", 1, kMax}, // layers: how many layers' weights remain
    {"bits", KeyType::Integer, "", 1, 8},     // codebook: of an index
    {"importance", KeyType::Choice, "none,activation"},
};
static constexpr Key kPrune[] = {
    {"what", KeyType::Choice, "heads,channels,layers"},
    {"ratio", KeyType::Number, "", 0, 0.99}, // of them that go
    {"importance", KeyType::Choice, "l1,l2,ln,activation,whitened"},
    {"norm", KeyType::Number, "", 0.1, 100}, // ln: the n
    {"refit", KeyType::Flag},                // what remains, and the bias, by least squares
    {"align", KeyType::Integer, "", 1, 4096},
    DAMPING,
};
static constexpr Key kFactorize[] = {
    {"method", KeyType::Choice, "svd,activation,whitened"},
    {"rank", KeyType::Integer, "", 1, kMax},
    {"energy", KeyType::Number, "", 0, 1}, // share of the squared singular values that stays
    {"size", KeyType::Number, "", 0, 1},   // share of the bytes that stays
    {"per-head", KeyType::Flag},           // narrower q, k, v instead of two linears
    {"joint", KeyType::Flag},              // q, k, v of a layer together
    {"force", KeyType::Flag},              // also where it saves nothing
    DAMPING,
};
static constexpr Key kSmooth[] = {
    {"method", KeyType::Choice, "smoothquant,awq"},
    {"alpha", KeyType::Number, "", 0, 1},     // left out: searched
    {"bits", KeyType::Integer, "", 2, 8},     // of the weights that are to come
    {"group", KeyType::Integer, "", 0, kMax}, // of theirs
    {"clip", KeyType::Flag},
};
static constexpr Key kSparsify[] = {
    {"method", KeyType::Choice, "magnitude,wanda,sparsegpt"},
    {"ratio", KeyType::Number, "", 0, 0.99}, // of zeros
    {"pattern", KeyType::Pattern},           // n:m, n of m remain
    {"scope", KeyType::Choice, "layer,global"},
    {"format", KeyType::Choice, "auto,dense,nm,bitmap"}, // how zeros are kept
    PROPAGATION,
    DAMPING,
};
static constexpr Key kQuantize[] = {
    {"format", KeyType::Choice, "int8,int7,int6,int5,int4,int3,int2,fp8e4m3,fp8e5m2,fp16,bf16"},
    {"group", KeyType::Integer, "", -1, kMax}, // elements of K that share a scale; 0: all of K, -1: the whole weight
    {"zero-points", KeyType::Flag},
    {"scale", KeyType::Choice, "f32,f16,bf16"},
    {"method", KeyType::Choice, "rtn,gptq"},
    {"scale-search", KeyType::Choice, "none,weight,hessian"},
    {"act-order", KeyType::Flag},
    PROPAGATION,
    DAMPING,
    {"activation", KeyType::Choice, "none,dynamic,dynamic-symmetric,dynamic-fp8e4m3,static,static-symmetric"},
    {"observer", KeyType::Choice, "minmax,percentile,mse,entropy"},
    {"percentile", KeyType::Number, "", 50, 100},
    {"bias-correction", KeyType::Flag},
};
static constexpr Key kPrecision[] = {
    {"format", KeyType::Choice, "fp32,tf32,fp16,bf16,mixed"},
};

llvm::ArrayRef<Key> recipe::getKeys(Method method) {
  switch (method) {
  case Method::Share:
    return kShare;
  case Method::Prune:
    return kPrune;
  case Method::Factorize:
    return kFactorize;
  case Method::Smooth:
    return kSmooth;
  case Method::Sparsify:
    return kSparsify;
  case Method::Quantize:
    return kQuantize;
  case Method::Precision:
    return kPrecision;
  }
  llvm_unreachable("a method");
}

bool recipe::isOfLayers(Method method, const Rule &rule) {
  return (method == Method::Prune && rule.get("what") == "layers") ||
         (method == Method::Share && rule.get("method") == "layers");
}

std::string recipe::checkKeys(Method method, const Rule &rule) {
  auto has = [&](StringRef key) { return rule.get(key).has_value(); };
  auto get = [&](StringRef key) { return rule.get(key).value_or(""); };
  auto isSet = [&](StringRef key) { return get(key) == "true"; };
  auto count = [&](std::initializer_list<StringRef> keys) {
    return llvm::count_if(keys, [&](StringRef key) { return has(key); });
  };
  switch (method) {
  case Method::Share:
    if (!has("method"))
      return "share needs a method";
    if (has("count") != (get("method") == "layers"))
      return "count is how many layers remain, which method: layers needs and no other takes";
    if (has("bits") && get("method") != "codebook")
      return "bits are a codebook's: method: codebook";
    if (has("importance") && get("method") != "codebook")
      return "importance is of a codebook's elements: method: codebook";
    break;
  case Method::Prune:
    if (!has("what") || (!has("ratio") && get("what") != "layers"))
      return "prune needs what (heads, channels or layers) and a ratio";
    if (get("what") == "layers" && !has("ratio") && rule.layers.empty())
      return "what: layers needs layers, those that go, or a ratio of them, or both";
    if (get("what") == "layers" && count({"importance", "norm", "refit", "align", "damping"}))
      return "layers that go leave nothing to refit, and the outputs say which matter: what: layers takes layers and a "
             "ratio alone";
    if (has("norm") != (get("importance") == "ln"))
      return "norm is the n of importance: ln, which needs it";
    break;
  case Method::Factorize:
    if (count({"rank", "energy", "size"}) != 1)
      return "factorize needs one of rank, energy and size";
    if (isSet("per-head") && !has("rank"))
      return "per-head needs the rank of a head";
    if (isSet("per-head") && (count({"joint", "force"}) || get("method") == "activation"))
      return "per-head takes method: svd or whitened, and neither joint nor force: what is narrower saves";
    break;
  case Method::Smooth:
    if (has("clip") && get("method") != "awq")
      return "clip is a part of method: awq";
    break;
  case Method::Sparsify:
    if (count({"ratio", "pattern"}) != 1)
      return "sparsify needs either a ratio or an n:m pattern";
    if (has("pattern") && has("scope"))
      return "an n:m pattern leaves the same ratio everywhere: it takes no scope";
    if (get("format") == "nm" && !has("pattern"))
      return "format: nm keeps n of m elements, which a pattern says";
    break;
  case Method::Quantize: {
    StringRef format = get("format");
    if (format.empty())
      return "quantize needs a format";
    bool isInteger = format.starts_with("int");
    if (!isInteger && count({"zero-points", "act-order", "method", "scale-search"}))
      return "method, scale-search, act-order and zero-points are of integers, and the format is " + format.str();
    if ((format == "fp16" || format == "bf16") && count({"group", "scale"}))
      return format.str() + " has no scales: it takes neither group nor scale";
    if (format == "int2" && !isSet("zero-points"))
      return "int2 needs zero-points: true, for without them three values remain of four";
    if (isSet("act-order") && get("method") != "gptq")
      return "act-order is a part of method: gptq";
    bool isStatic = get("activation").starts_with("static");
    if (has("observer") && !isStatic)
      return "an observer is for activation: static";
    if (has("percentile") != (get("observer") == "percentile"))
      return "percentile is what observer: percentile needs, and no other takes";
    break;
  }
  case Method::Precision:
    if (!has("format"))
      return "precision needs a format";
    break;
  }
  return "";
}
