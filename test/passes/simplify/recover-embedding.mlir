// RUN: lathe-opt --lathe-recover-embedding %s | FileCheck %s --enable-var-scope

module {
  tfm.weight @w : tensor<4x2xf32> = dense<1.0> : tensor<4x2xf32>
  // Rows of a weight; columns, and rows of what isn't one, stay gathers.
  // CHECK-LABEL: func.func @rows
  // CHECK: tfm.embedding %{{.+}}, %{{.+}} : (tensor<3xi64>, tensor<4x2xf32>) -> tensor<3x2xf32>
  // CHECK: tfm.gather %{{.+}}, %{{.+}} {axis = 1 : i64}
  // CHECK: tfm.gather %{{.+}}, %{{.+}} {axis = 0 : i64}
  func.func @rows(%ids: tensor<3xi64>, %x: tensor<4x2xf32>) -> (tensor<3x2xf32>, tensor<4x3xf32>, tensor<3x2xf32>) {
    %w = tfm.get @w : tensor<4x2xf32>
    %0 = tfm.gather %w, %ids {axis = 0 : i64} : (tensor<4x2xf32>, tensor<3xi64>) -> tensor<3x2xf32>
    %1 = tfm.gather %w, %ids {axis = 1 : i64} : (tensor<4x2xf32>, tensor<3xi64>) -> tensor<4x3xf32>
    %2 = tfm.gather %x, %ids {axis = 0 : i64} : (tensor<4x2xf32>, tensor<3xi64>) -> tensor<3x2xf32>
    return %0, %1, %2 : tensor<3x2xf32>, tensor<4x3xf32>, tensor<3x2xf32>
  }
}
