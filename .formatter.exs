[
  inputs: [
    "{mix,.formatter}.exs",
    "{config,lib,lib_nx,mix,test,test_nx,bench,examples}/**/*.{ex,exs}"
  ]
]
