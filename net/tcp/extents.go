package tcp

import "sync/atomic"

// extents count the bytes of files that went out in responses, by the way they took.
type extents struct{ kernel, small, large atomic.Int64 }

// Extents are bytes of files that went out in responses.
type Extents struct {
	Kernel int64 // by sendfile: never in the memory of this process
	Small  int64 // read into the response, since that is cheaper below the crossover
	Large  int64 // read into memory although they are above it: their file had no descriptor
}

// Extents returns the counters.
func (s *Server) Extents() Extents {
	return Extents{Kernel: s.extents.kernel.Load(), Small: s.extents.small.Load(), Large: s.extents.large.Load()}
}
