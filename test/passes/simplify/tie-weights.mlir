// RUN: lathe-opt --lathe-tie-weights %s | FileCheck %s --enable-var-scope

module {
  tfm.weight @table : tensor<3x2xf32> = dense<[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]> : tensor<3x2xf32>
  tfm.weight @head : tensor<2x3xf32> = dense<[[1.0, 3.0, 5.0], [2.0, 4.0, 6.0]]> : tensor<2x3xf32>
  tfm.weight @other : tensor<2x3xf32> = dense<[[1.0, 3.0, 5.0], [2.0, 4.0, 7.0]]> : tensor<2x3xf32>
  // The head is the table, transposed; another differs in its last element.
  // CHECK-NOT: tfm.weight @head
  // CHECK: tfm.weight @other
  // CHECK-LABEL: func.func @project
  // CHECK: %[[T:.+]] = tfm.get @table
  // CHECK: %[[O:.+]] = tfm.get @other
  // CHECK: tfm.linear %{{.+}}, %[[T]] {transposed}
  // CHECK: tfm.linear %{{.+}}, %[[O]] :
  func.func @project(%x: tensor<4x2xf32>) -> (tensor<4x3xf32>, tensor<4x3xf32>, tensor<3x2xf32>) {
    %h = tfm.get @head : tensor<2x3xf32>
    %o = tfm.get @other : tensor<2x3xf32>
    %t = tfm.get @table : tensor<3x2xf32>
    %0 = tfm.linear %x, %h : (tensor<4x2xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
    %1 = tfm.linear %x, %o : (tensor<4x2xf32>, tensor<2x3xf32>) -> tensor<4x3xf32>
    return %0, %1, %t : tensor<4x3xf32>, tensor<4x3xf32>, tensor<3x2xf32>
  }

  // Codes of several elements to a byte are no elements that could be compared.
  tfm.weight @left : tensor<2x2xf32, #tfm.int<bits = 4, block = [2, 2], scale = f32>> = dense<[[1.0, 2.0], [3.0, 7.0]]> : tensor<2x2xf32>
  tfm.weight @right : tensor<2x2xf32, #tfm.int<bits = 4, block = [2, 2], scale = f32>> = dense<[[2.0, -2.0], [3.0, 7.0]]> : tensor<2x2xf32>
  // CHECK-LABEL: func.func @formats
  // CHECK: tfm.get @left
  // CHECK: tfm.get @right
  func.func @formats(%x: tensor<4x2xf32>) -> (tensor<4x2xf32>, tensor<4x2xf32>) {
    %l = tfm.get @left : tensor<2x2xf32, #tfm.int<bits = 4, block = [2, 2], scale = f32>>
    %r = tfm.get @right : tensor<2x2xf32, #tfm.int<bits = 4, block = [2, 2], scale = f32>>
    %0 = tfm.linear %x, %l : (tensor<4x2xf32>, tensor<2x2xf32, #tfm.int<bits = 4, block = [2, 2], scale = f32>>) -> tensor<4x2xf32>
    %1 = tfm.linear %x, %r : (tensor<4x2xf32>, tensor<2x2xf32, #tfm.int<bits = 4, block = [2, 2], scale = f32>>) -> tensor<4x2xf32>
    return %0, %1 : tensor<4x2xf32>, tensor<4x2xf32>
  }
}
