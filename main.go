// Odradek is a Kafka-compatible distributed log: one binary, whose commands live with what they run.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	node "odradek/node/cli"
	"odradek/node/dump"
	sim "odradek/sim/cli"
)

// Exit codes: 1 failed, 2 usage.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	root := &cobra.Command{
		Use:           "odradek",
		Short:         "A Kafka-compatible log that proves what it promises",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return node.UsageError{Err: err} })
	configs := &cobra.Command{Use: "config", Short: "Look at configuration"}
	configs.AddCommand(node.ConfigShow())
	root.AddCommand(node.Serve(), configs, dump.Command(), sim.Command())
	if err := root.ExecuteContext(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "odradek: "+err.Error())
		os.Exit(exitCode(err))
	}
}

func exitCode(err error) int {
	var coded interface{ ExitCode() int }
	var usage node.UsageError
	switch {
	case errors.As(err, &coded):
		return coded.ExitCode()
	case errors.As(err, &usage):
		return exitUsage
	}
	return exitFailed
}
