// Package admin serves a node's HTTP endpoints for people and supervisors: /livez, /readyz, /metrics, /metrics/detail, /debug/pprof,
// /debug/stats.
package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"sync/atomic"
	"time"
)

// Server is the admin listener. A nil Server does nothing.
type Server struct {
	listener net.Listener
	http     http.Server
	ready    atomic.Bool
	stats    atomic.Pointer[func() any]
	metrics  atomic.Pointer[[2]http.Handler] // small, detailed
}

// Listen binds the address and serves. The node is alive from here on, and ready when told so.
func Listen(address string) (*Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	s := &Server{listener: l}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /debug/stats", s.debugStats)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) { s.serveMetrics(w, r, 0) })
	mux.HandleFunc("GET /metrics/detail", func(w http.ResponseWriter, r *http.Request) { s.serveMetrics(w, r, 1) })
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	s.http.Handler = mux
	s.http.ReadHeaderTimeout = 10 * time.Second
	go func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.ready.Store(false)
		}
	}()
	return s, nil
}

func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	if !s.ready.Load() {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// debugStats prints the node's counters as they are, for measurements. They are no interface: names may change.
func (s *Server) debugStats(w http.ResponseWriter, _ *http.Request) {
	stats := s.stats.Load()
	if stats == nil {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	_ = json.NewEncoder(w).Encode((*stats)())
}

func (s *Server) serveMetrics(w http.ResponseWriter, r *http.Request, which int) {
	handlers := s.metrics.Load()
	if handlers == nil {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	handlers[which].ServeHTTP(w, r)
}

// Metrics sets what /metrics and /metrics/detail answer.
func (s *Server) Metrics(small, detail http.Handler) {
	if s != nil {
		s.metrics.Store(&[2]http.Handler{small, detail})
	}
}

// Stats sets what /debug/stats reads.
func (s *Server) Stats(stats func() any) {
	if s != nil {
		s.stats.Store(&stats)
	}
}

// Ready sets what /readyz answers.
func (s *Server) Ready(ready bool) {
	if s != nil {
		s.ready.Store(ready)
	}
}

// Addr is the bound address.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Close ends the listener and its connections.
func (s *Server) Close() error {
	if s == nil {
		return nil
	}
	return s.http.Close()
}
