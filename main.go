// Odradek is a Kafka-compatible distributed log: one binary, whose commands live with what they run.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	client "odradek/clientlib/cli"
	judge "odradek/linearizability/cli"
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
	root.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return node.UsageError{Err: fmt.Errorf("%s: no such command: odradek --help lists them", args[0])}
	}
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	root.AddCommand(node.Serve(), dump.Command(), sim.Command(), judge.Command())
	for _, cmd := range client.Commands(node.ConfigShow()) {
		if cmd.Name() == "cluster" {
			node.RunCluster(cmd)
		}
		root.AddCommand(cmd)
	}
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
