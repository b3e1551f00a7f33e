[
  inputs: [
    "{mix,.formatter}.exs",
    "{lib,lib_nx,mix,test,test_nx,bench,examples}/**/*.{ex,exs}"
  ]
]
