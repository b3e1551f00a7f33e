[
  inputs: [
    "{mix,.formatter}.exs",
    "{config,lib,lib_nx,mix,test,test_nx,test_axon,bench,examples,tools}/**/*.{ex,exs}"
  ]
]
