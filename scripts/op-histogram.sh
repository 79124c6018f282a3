#!/bin/bash
# What the simplify phase makes of models: a line for each with its ops by kind, and `left:` with the primitive ops of an
# attention, norm or activation that it should have recovered. Usage: op-histogram.sh MODELS_FOLDER [PATTERN]
lathe=${LATHE:-$(dirname "$0")/../build/bin/lathe}
root=${1:?usage: op-histogram.sh MODELS_FOLDER [PATTERN]}
find "$root" -name model.onnx -path "*${2:-}*" | sort | while read -r model; do
  name=${model#"$root"/}
  ir=$("$lathe" compile "$model" --compile-to=simplify 2>&1) || { echo "${name%/model.onnx}: failed: ${ir%%$'\n'*}"; continue; }
  ops=$(grep -oE '= tfm\.[a-z0-9_]+' <<<"$ir" | sed 's/= tfm\.//' | grep -vxE 'get|constant' | sort | uniq -c |
    awk '{ printf " %s %s", $2, $1 }')
  left=$(grep -oE ' (softmax|matmul|erf|sigmoid|reduce_mean|is_nan|rsqrt|gather_nd) [0-9]+' <<<"$ops" | tr -d '\n')
  echo "${name%/model.onnx}:$ops${left:+; left:$left}"
done
