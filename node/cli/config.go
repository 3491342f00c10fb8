package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"odradek/core/config"
	"odradek/node/settings"
)

// configLine is one key as `odradek config show -o json` prints it.
type configLine struct {
	Key    string  `json:"key"`
	Value  *string `json:"value"` // null: not shown
	Origin string  `json:"origin"`
	Acts   bool    `json:"acts"`
}

// ConfigShow returns the command `odradek config show`.
func ConfigShow() *cobra.Command {
	var f serveFlags
	var origin, given bool
	var output string
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show the configuration that serve would run with",
		Long: `Shows every configuration key of a node and the value that serve would run with, given the same flags and environment. It does not ask a node: what a running
one was told by kafka-configs is in DescribeConfigs. Passwords are not shown.`,
		Example: `  odradek config show
  odradek config show --origin --config /etc/kafka/server.properties
  KAFKA_NUM_PARTITIONS=6 odradek config show --given --origin`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return UsageError{fmt.Errorf("-o %s: only json, or nothing for a table", output)}
			}
			set, cfg, err := f.gather()
			if err != nil {
				return UsageError{err}
			}
			lines := configLines(set, cfg, given)
			if output == "json" {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(lines)
			}
			return printConfig(cmd.OutOrStdout(), lines, origin)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&origin, "origin", false, "say where each value comes from")
	cmd.Flags().BoolVar(&given, "given", false, "only what was given somewhere")
	cmd.Flags().StringVarP(&output, "output", "o", "", "json")
	return cmd
}

func configLines(set *settings.Settings, cfg *config.Node, given bool) []configLine {
	var out []configLine
	settled := config.NodeSettings(cfg)
	for i := range settled {
		s := &settled[i]
		line := configLine{Key: s.Key.Name, Origin: set.Origin(s.Synonyms[0].Name)}
		_, line.Acts = config.Known(line.Key)
		value := s.Value()
		if s.Key.Type != config.Password {
			line.Value = &value
		}
		switch {
		case line.Origin == "" && (given || value == "" && s.Key.Default == "" && s.Key.Fixed != ""):
			continue
		case line.Origin == "":
			line.Origin = "default"
		case s.Synonyms[0].Name != s.Key.Name:
			line.Origin += " (" + s.Synonyms[0].Name + ")"
		}
		if s.Key.Name == "log.dirs" && value == "" {
			value, line.Origin = strings.Join(cfg.LogDirs, ","), dirsOrigin(set)
		}
		out = append(out, line)
	}
	return out
}

// dirsOrigin says what names the directories where log.dirs does not.
func dirsOrigin(set *settings.Settings) string {
	if origin := set.Origin("log.dir"); origin != "" {
		return origin + " (log.dir)"
	}
	return "--data"
}

func printConfig(out io.Writer, lines []configLine, origin bool) error {
	for _, l := range lines {
		value := "[hidden]"
		if l.Value != nil {
			value = *l.Value
		}
		line := l.Key + "\t" + value
		if origin {
			line += "\t" + l.Origin
			if !l.Acts {
				line += ", without effect"
			}
		}
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}
