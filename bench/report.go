package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"odradek/bench/cell"
	"odradek/bench/report"
	"odradek/bench/run"
)

// read returns the runs of a directory and their cells, in the order of the sweep.
func read(dir string) (*run.Store, []cell.Cell, error) {
	store, err := run.Read(dir)
	if err != nil {
		return nil, nil, usageError{err}
	}
	cells := cell.Sweep()
	for i := range store.Records {
		if c := store.Records[i].Cell; !slices.Contains(cells, c) {
			cells = append(cells, c)
		}
	}
	return store, cells, nil
}

func reportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "report DIR",
		Short: "Make the report anew from the runs in a directory",
		Args:  oneOf(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, cells, err := read(args[0])
			if err != nil {
				return err
			}
			return publish(args[0], cells, store, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
}

func agreeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "agree DIR DIR",
		Short: "Say whether two sweeps of the same cells agree within their intervals",
		Args:  oneOf(cobra.ExactArgs(2)),
		RunE: func(cmd *cobra.Command, args []string) error {
			var sums [2][]*report.Summary
			for i, dir := range args {
				store, cells, err := read(dir)
				if err != nil {
					return err
				}
				if sums[i], err = report.Summarize(cells, store.Records); err != nil {
					return err
				}
			}
			apart, all, err := report.Agree(cmd.OutOrStdout(), sums[0], sums[1])
			if err == nil && (apart > 0 || all == 0) {
				err = fmt.Errorf("%d of %d intervals share no value", apart, all)
			}
			return err
		},
	}
}

// oneOf makes a wrong number of arguments a usage error.
func oneOf(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}
