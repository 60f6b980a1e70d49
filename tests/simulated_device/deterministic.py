"""Operations whose CUDA kernels repeat their numbers under torch.use_deterministic_algorithms(True), each with why.

Views and operations that torch tags as pointwise write each entry once and are not listed. An operation that is not
here is refused by the tests: read its kernel in pytorch/aten/src/ATen/native/cuda, and the list in the documentation
of use_deterministic_algorithms, before it gets a line. Nobody ran these kernels for this table.
"""

ONE_WRITER = "each entry of the result is written once, by one thread, from a fixed set of entries"
REDUCTION = "native/cuda/Reduce.cuh, SoftMax.cu, layer_norm_kernel.cu: a tree of fixed shape in a block, no atomics"
CUBLAS = "cuBLAS, with CUBLAS_WORKSPACE_CONFIG set: documentation of use_deterministic_algorithms"
CUDNN = "cuDNN's deterministic algorithms, which the mode chooses: Conv3d and ConvTranspose3d in the same documentation"
BATCH_NORM = "native/cuda/Normalization.cuh and cuDNN: partial sums are staged and added in order by the last block"
SORTED = "native/cuda/Indexing.cu, Embedding.cu: equal indices are sorted and added in order, as the mode asks for"
SEEDED = "a counter-based generator (Philox): a function of its seed and offset"
PADDED = "the mode takes its gradient by index_put: ReplicationPad3d in the same documentation"
ONE_DIMENSION = "native/cuda/Loss.cu: one block adds up the losses of a batch; the alert is that of NLLLoss2d.cu"

REASONS = {
    ONE_WRITER: """
        _to_copy _unsafe_view affine_grid_generator arange avg_pool2d avg_pool2d_backward cat constant_pad_nd
        _upsample_bilinear2d_aa embedding eye fill_ flip grid_sampler_3d index index_select leaky_relu_backward
        masked_fill_ max_pool3d_with_indices new_zeros ones_like repeat roll scalar_tensor select_backward
        slice_backward stack zeros zeros_like _foreach_add_ _fused_adamw_ floor_divide
    """,
    REDUCTION: """
        _log_softmax _log_softmax_backward_data _safe_softmax _softmax _softmax_backward_data any
        binary_cross_entropy_with_logits linalg_vector_norm logsumexp mean min native_layer_norm
        native_layer_norm_backward std sum
    """,
    CUBLAS: "addmm bmm mm mv",
    CUDNN: "convolution convolution_backward",
    BATCH_NORM: "native_batch_norm native_batch_norm_backward",
    SORTED: "embedding_dense_backward index_put",
    SEEDED: "rand randint randn",
    PADDED: "replication_pad3d replication_pad3d_backward",
    ONE_DIMENSION: "nll_loss_backward nll_loss_forward",
}
DETERMINISTIC = {name: reason for reason, names in REASONS.items() for name in names.split()}
READS = {"_local_scalar_dense"}
"""Reads of the host, which the other tests refuse inside a step."""
