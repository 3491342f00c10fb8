package target

import (
	"context"
	"errors"
	"fmt"

	"odradek/bench/kafka"
	"odradek/bench/measure"
)

// Broker is a target that this program starts, holds and ends.
type Broker interface {
	Target
	// Start executes it and does not wait for it.
	Start() error
	// Address is where clients find it, known once it was started.
	Address() string
	// Data is its log directory.
	Data() string
	Hold() error
	Release() error
	Kill() error
}

// Several is a cluster of brokers, each a process of this machine.
type Several struct{ Brokers []Broker }

// Name is that of its members.
func (s *Several) Name() string { return fmt.Sprintf("%d × %s", len(s.Brokers), s.Brokers[0].Name()) }

// Bootstrap starts all and waits until each of them sees all.
func (s *Several) Bootstrap(ctx context.Context) ([]string, error) {
	var all []string
	errs := make(chan error, len(s.Brokers))
	for _, b := range s.Brokers {
		go func() { _, err := b.Bootstrap(ctx); errs <- err }()
	}
	var err error
	for range s.Brokers {
		err = errors.Join(err, <-errs)
	}
	for _, b := range s.Brokers {
		all = append(all, b.Address())
	}
	if err != nil {
		return nil, err
	}
	return all, kafka.AwaitBrokers(all, len(all), kafkaReadyMax)
}

// Process is not one.
func (s *Several) Process() int { return 0 }

// Usage is the sum.
func (s *Several) Usage() (measure.Usage, error) {
	var sum measure.Usage
	for _, b := range s.Brokers {
		u, err := b.Usage()
		if err != nil {
			return sum, err
		}
		sum = sum.Add(u)
	}
	return sum, nil
}

// DiskBytes is the sum.
func (s *Several) DiskBytes(topic string) (sum int64) {
	for _, b := range s.Brokers {
		sum += b.DiskBytes(topic)
	}
	return sum
}

func (s *Several) each(do func(Broker) error) error {
	var err error
	for _, b := range s.Brokers {
		err = errors.Join(err, do(b))
	}
	return err
}

// Hold stops all where they are.
func (s *Several) Hold() error { return s.each(Broker.Hold) }

// Release lets all go on.
func (s *Several) Release() error { return s.each(Broker.Release) }

// Close ends all.
func (s *Several) Close() error { return s.each(Broker.Close) }
