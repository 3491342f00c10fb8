// Package cli holds the commands that are clients: odradek topic, produce, consume, config, cluster and version. Data goes to stdout, messages to stderr; tables on a
// terminal, tab-separated lines without headings in a pipe, JSON with -o json.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"odradek/clientlib"
)

// Commands returns all of them. extra are those of others that belong under odradek config.
func Commands(extra ...*cobra.Command) []*cobra.Command {
	configs := configCommand()
	configs.AddCommand(extra...)
	return []*cobra.Command{topicCommand(), produceCommand(), consumeCommand(), configs, clusterCommand(), quorumCommand(), versionCommand()}
}

// defaultTimeout is less than that of an application: a person waits.
const defaultTimeout = 10 * time.Second

// common are the flags of every command that talks to a cluster.
type common struct {
	bootstrap string
	settings  []string
	timeout   time.Duration
	output
}

// onCluster gives a command the flags of common, and connects when it runs.
func onCluster(cmd *cobra.Command, run func(ctx context.Context, s *session, args []string) error) *cobra.Command {
	f := &common{}
	flags := cmd.Flags()
	flags.StringVar(&f.bootstrap, "bootstrap", "127.0.0.1:9092", "brokers to begin with: HOST:PORT,…")
	flags.StringArrayVarP(&f.settings, "set", "X", nil, "a client's configuration, key=value; may be given again; -X help lists the keys")
	flags.DurationVar(&f.timeout, "timeout", defaultTimeout, "how long a request may take with all its tries")
	f.output.flag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if slices.Contains(f.settings, "help") {
			return printKeys(cmd.OutOrStdout())
		}
		return guarded(cmd, func(ctx context.Context) error {
			s, err := f.connect(cmd)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithCancelCause(ctx)
			defer cancel(nil)
			s.giveUp = cancel
			defer s.client.Close()
			err = run(ctx, s, args)
			if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
				return cause
			}
			return err
		})
	}
	return cmd
}

// errInterrupted is what a signal ends a command with.
var errInterrupted = errors.New("interrupted")

// guarded runs a command until a signal comes, and gives its error an exit code.
func guarded(cmd *cobra.Command, run func(ctx context.Context) error) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx)
	if ctx.Err() != nil && cmd.Context().Err() == nil {
		err = errInterrupted
	}
	if err == nil {
		return nil
	}
	return coded{err, codeOf(err)}
}

// group is a command that only has others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		var names []string
		for _, c := range cmd.Commands() {
			names = append(names, c.Name())
		}
		return usagef("%s %s: no such command: want one of %s", cmd.CommandPath(), args[0], strings.Join(names, ", "))
	}, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(commands...)
	return cmd
}

// args is cobra's check of arguments with usage errors.
func args(check cobra.PositionalArgs, want string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, given []string) error {
		if f := cmd.Flags().Lookup("set"); f != nil && strings.Contains(f.Value.String(), "help") {
			return nil
		}
		if check(cmd, given) != nil {
			return usagef("want %s, have %d arguments: %s --help has examples", want, len(given), cmd.CommandPath())
		}
		return nil
	}
}

// session is a command that is running.
type session struct {
	cmd    *cobra.Command
	client *clientlib.Client
	config *clientConfig
	output
	giveUp context.CancelCauseFunc
}

func (s *session) admin() *clientlib.Admin { return s.client.Admin() }

// say tells the person something; data goes to stdout.
func (s *session) say(format string, args ...any) {
	fmt.Fprintf(s.cmd.ErrOrStderr(), format+"\n", args...)
}

// completeTopics offers the topics of the cluster that the command line names.
func completeTopics(many bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(given) > 0 && !many {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		names, err := topicNames(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(given, name) }), cobra.ShellCompDirectiveNoFileComp
	}
}

// completionTimeout is how long a shell may hang.
const completionTimeout = time.Second

func topicNames(cmd *cobra.Command) ([]string, error) {
	f := &common{timeout: completionTimeout}
	f.bootstrap, _ = cmd.Flags().GetString("bootstrap")
	f.settings, _ = cmd.Flags().GetStringArray("set")
	s, err := f.connect(cmd)
	if err != nil {
		return nil, err
	}
	defer s.client.Close()
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	s.giveUp = cancel
	topics, err := s.admin().Topics(ctx)
	var names []string
	for i := range topics {
		if !topics[i].Internal {
			names = append(names, topics[i].Name)
		}
	}
	return names, err
}
