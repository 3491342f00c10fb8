// Package target is what a benchmark sends to: a node of this tree in a process of its own, any other Kafka-compatible broker by its address, or a fake that
// only answers.
package target

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"odradek/bench/kafka"
	"odradek/bench/measure"
)

// Target is a broker under measurement.
type Target interface {
	// Name says in a few words what it is.
	Name() string
	// Bootstrap makes sure that it runs and returns its addresses.
	Bootstrap(ctx context.Context) ([]string, error)
	// Process is its process on this machine, 0 if that is not known.
	Process() int
	// Usage is what its process has used; an error if that cannot be known.
	Usage() (measure.Usage, error)
	// DiskBytes is what a topic's log files hold; 0 if that cannot be known.
	DiskBytes(topic string) int64
	// Close ends it if it was started here.
	Close() error
}

// ErrUnreachable is wrapped by errors about a broker that does not answer.
var ErrUnreachable = errors.New("the broker does not answer")

// External is a broker that runs already.
type External struct {
	Addresses []string
	PID       int // 0: not known, or not on this machine
}

// Name is its addresses.
func (e *External) Name() string { return strings.Join(e.Addresses, ",") }

// Bootstrap asks whether one of them answers.
func (e *External) Bootstrap(context.Context) ([]string, error) {
	c, err := kafka.DialAny(e.Addresses)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrUnreachable, err)
	}
	return e.Addresses, c.Close()
}

// Process is what was given.
func (e *External) Process() int { return e.PID }

// Usage reads /proc where the process is known.
func (e *External) Usage() (measure.Usage, error) {
	if e.PID == 0 {
		return measure.Usage{Fsyncs: -1}, errors.New("the broker's process is not known")
	}
	return measure.ProcessUsage(e.PID)
}

// DiskBytes is not known.
func (e *External) DiskBytes(string) int64 { return 0 }

// Close leaves it alone.
func (e *External) Close() error { return nil }
