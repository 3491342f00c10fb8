package cli

import (
	"context"
	"errors"
	"fmt"

	"odradek/clientlib"
	"odradek/clientlib/proto"
	"odradek/core/errcode"
)

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3 // or no answer in time
	exitAuth        = 4
	exitNotFound    = 5
	exitExists      = 6
	exitUnhealthy   = 10
	exitInterrupted = 130
)

// coded is an error with its exit code.
type coded struct {
	error
	code int
}

func (e coded) ExitCode() int { return e.code }
func (e coded) Unwrap() error { return e.error }

// usage is a mistake in how a command was called.
type usage struct{ error }

func (usage) ExitCode() int { return exitUsage }

func usagef(format string, args ...any) error { return usage{fmt.Errorf(format, args...)} }

// noPartition is the error of a partition that a topic has not.
func noPartition(topic string, partition int32, has int) error {
	return coded{fmt.Errorf("%s has no partition %d: it has %s, from 0 on", topic, partition, count(int64(has), "partition")), exitNotFound}
}

// errUnhealthy is the outcome of odradek cluster health.
var errUnhealthy = errors.New("the cluster is not healthy")

func codeOf(err error) int {
	var own interface{ ExitCode() int }
	switch {
	case errors.As(err, &own):
		return own.ExitCode()
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case errors.Is(err, errUnhealthy):
		return exitUnhealthy
	case errors.Is(err, proto.ErrUnreachable), errors.Is(err, proto.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return exitUnreachable
	}
	switch clientlib.Code(err) {
	case errcode.TopicAuthorizationFailed, errcode.GroupAuthorizationFailed, errcode.ClusterAuthorizationFailed, errcode.SaslAuthenticationFailed:
		return exitAuth
	case errcode.UnknownTopicOrPartition, errcode.UnknownTopicID:
		return exitNotFound
	case errcode.TopicAlreadyExists:
		return exitExists
	case errcode.RequestTimedOut:
		return exitUnreachable
	}
	return exitFailed
}
