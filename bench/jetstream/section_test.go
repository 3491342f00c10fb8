package main

import (
	"strings"
	"testing"
	"time"
)

// Ratios say how many times better ours is, also where less is better, and who is better is said.
func TestSection(t *testing.T) {
	s := section{options: options{rounds: 3, length: time.Second, bytes: 5e6}}
	s.row("one", "messages/s", []float64{200, 220, 180}, []float64{100, 110, 90}, false)
	s.row("one", "CPU", []float64{8, 8, 8}, []float64{4, 4, 4}, true)
	got := s.String()
	for _, want := range []string{"### NATS JetStream\n", "3 rounds of 1s", "| one | messages/s | 200 (180–220) | 100 (90–110) | 2 (2–2)× |  |", "| one | CPU | 8 (8–8) | 4 (4–4) | 0.5 (0.5–0.5)× | **JetStream is better** |"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}
