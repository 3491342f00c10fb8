// The bench command measures a Kafka-compatible broker: an embedded node of this tree by default, any other by its address.
//
//	go run ./bench sweep --quick --out DIR
//	go run ./bench calibrate
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"odradek/bench/target"
)

// Exit codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitUnreachable = 3
)

// usageError is a command line that cannot be carried out.
type usageError struct{ error }

func main() {
	// The generator's thread spins while it waits for what is due next; others need a processor of Go's besides.
	runtime.GOMAXPROCS(max(4, runtime.GOMAXPROCS(0)))
	debug.SetGCPercent(400)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	root := &cobra.Command{Use: "bench", Short: "Measure a Kafka-compatible broker", SilenceUsage: true, SilenceErrors: true}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(sweepCommand(), compareCommand(), pageCommand(), reportCommand(), agreeCommand(), calibrateCommand(), fakeCommand())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench: "+err.Error())
		os.Exit(exitCode(err))
	}
}

func exitCode(err error) int {
	var usage usageError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, target.ErrUnreachable):
		return exitUnreachable
	}
	return exitFailed
}
