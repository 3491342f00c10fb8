package cli

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"odradek/clientlib"
)

func configCommand() *cobra.Command {
	return group("config", "Look at and change the configuration of topics and brokers", configDescribe(), configAlter())
}

type configJSON struct {
	Name      string  `json:"name"`
	Value     *string `json:"value"` // null: not told
	Source    string  `json:"source"`
	ReadOnly  bool    `json:"readOnly"`
	Sensitive bool    `json:"sensitive"`
}

func configOf(e *clientlib.ConfigEntry) configJSON {
	return configJSON{e.Name, e.Value, e.Source, e.ReadOnly, e.Sensitive}
}

func configLines(list []configJSON) [][]string {
	var lines [][]string
	for _, c := range list {
		value := ""
		switch {
		case c.Sensitive:
			value = "[hidden]"
		case c.Value != nil:
			value = *c.Value
		}
		lines = append(lines, []string{c.Name, value, c.Source})
	}
	return lines
}

// resourceFlags say whose configuration is meant.
type resourceFlags struct {
	topic, broker string
	brokers       bool
}

func (f *resourceFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.topic, "topic", "t", "", "of this topic")
	cmd.Flags().StringVarP(&f.broker, "broker", "b", "", "of the broker with this node id")
	cmd.Flags().BoolVar(&f.brokers, "brokers", false, "what every broker has that has nothing of its own")
	_ = cmd.RegisterFlagCompletionFunc("topic", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		names, err := topicNames(cmd)
		if err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
}

func (f *resourceFlags) resource() (clientlib.Resource, error) {
	switch {
	case f.topic != "" && f.broker == "" && !f.brokers:
		return clientlib.TopicResource(f.topic), nil
	case f.broker != "" && f.topic == "" && !f.brokers:
		if _, err := strconv.ParseInt(f.broker, 10, 32); err != nil {
			return clientlib.Resource{}, usagef("--broker %s: want a node id: odradek cluster info shows them", f.broker)
		}
		return clientlib.Resource{Broker: true, Name: f.broker}, nil
	case f.brokers && f.topic == "" && f.broker == "":
		return clientlib.EveryBroker(), nil
	}
	return clientlib.Resource{}, usagef("whose configuration? want one of --topic NAME, --broker ID, --brokers")
}

func configDescribe() *cobra.Command {
	var of resourceFlags
	var given bool
	cmd := onCluster(&cobra.Command{
		Use: "describe [KEY...]", Short: "Show the configuration that a topic or a broker has",
		Long: "Shows a configuration as a running broker has it: key, value, and where the value comes from. odradek config show tells what serve would run with instead.",
		Example: `  odradek config describe --topic orders
  odradek config describe --topic orders retention.ms cleanup.policy
  odradek config describe --broker 1 --given -o json`,
	}, func(ctx context.Context, s *session, keys []string) error {
		resource, err := of.resource()
		if err != nil {
			return err
		}
		entries, err := s.admin().Configs(ctx, resource, keys...)
		list := []configJSON{}
		for i := range entries {
			if !given || !entries[i].Default {
				list = append(list, configOf(&entries[i]))
			}
		}
		return s.show(list, []string{"CONFIG", "VALUE", "SOURCE"}, configLines(list), err)
	})
	of.add(cmd)
	cmd.Flags().BoolVar(&given, "given", false, "only what is not the default")
	return cmd
}

// changesOf gathers what is to become of keys.
func changesOf(set, remove, add, subtract []string) ([]clientlib.ConfigChange, error) {
	var out []clientlib.ConfigChange
	for _, kind := range []struct {
		flag string
		list []string
		op   clientlib.ConfigOp
	}{{"-c", set, clientlib.ConfigSet}, {"--append", add, clientlib.ConfigAppend}, {"--subtract", subtract, clientlib.ConfigSubtract}} {
		values, err := assignments(kind.flag, kind.list)
		if err != nil {
			return nil, err
		}
		for _, v := range values {
			out = append(out, clientlib.ConfigChange{Name: v.Name, Op: kind.op, Value: v.Value})
		}
	}
	for _, key := range remove {
		out = append(out, clientlib.ConfigChange{Name: key, Op: clientlib.ConfigDelete})
	}
	return out, nil
}

func configAlter() *cobra.Command {
	var of resourceFlags
	var remove, add, subtract []string
	var dry bool
	cmd := onCluster(&cobra.Command{
		Use: "alter [KEY=VALUE...]", Short: "Change the configuration of a topic or a broker", Long: "Changes the keys that are named, and leaves the others as they are.",
		Example: `  odradek config alter --topic orders retention.ms=3600000
  odradek config alter --topic orders --delete retention.ms
  odradek config alter --brokers log.retention.ms=86400000 --dry-run`,
	}, func(ctx context.Context, s *session, set []string) error {
		resource, err := of.resource()
		if err != nil {
			return err
		}
		changes, err := changesOf(set, remove, add, subtract)
		if err != nil {
			return err
		}
		if len(changes) == 0 {
			return usagef("nothing to change: want KEY=VALUE, --delete KEY, --append KEY=VALUE or --subtract KEY=VALUE")
		}
		return s.admin().AlterConfigs(ctx, resource, dry, changes...)
	})
	of.add(cmd)
	cmd.Flags().StringArrayVar(&remove, "delete", nil, "a key that gets its default again; may be given again")
	cmd.Flags().StringArrayVar(&add, "append", nil, "key=value: to a list; may be given again")
	cmd.Flags().StringArrayVar(&subtract, "subtract", nil, "key=value: from a list; may be given again")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say whether it would be done")
	return cmd
}
