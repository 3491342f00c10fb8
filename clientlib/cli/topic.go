package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"odradek/clientlib"
	"odradek/core/config"
	"odradek/core/errcode"
)

func topicCommand() *cobra.Command {
	return group("topic", "Make, look at, change and delete topics", topicCreate(), topicList(), topicDescribe(), topicAlter(), topicDelete())
}

// assignments reads key=value arguments.
func assignments(flag string, given []string) ([]clientlib.ConfigValue, error) {
	var out []clientlib.ConfigValue
	for _, g := range given {
		key, value, ok := strings.Cut(g, "=")
		if !ok || key == "" {
			return nil, usagef("%s %s: want key=value", flag, g)
		}
		out = append(out, clientlib.ConfigValue{Name: key, Value: value})
	}
	return out, nil
}

// completeTopicKeys offers the configuration keys of topics.
func completeTopicKeys(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var keys []string
	for i := range config.TopicKeys {
		keys = append(keys, config.TopicKeys[i].Name+"=")
	}
	return keys, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

type createdJSON struct {
	Name              string `json:"name"`
	Partitions        int32  `json:"partitions"`
	ReplicationFactor int16  `json:"replicationFactor"`
}

func topicCreate() *cobra.Command {
	var partitions int32
	var replicas int16
	var configs []string
	var unlessThere, dry bool
	cmd := onCluster(&cobra.Command{
		Use: "create NAME...", Short: "Make topics",
		Long: "Makes topics, and prints the name, the partitions and the replication factor of each. Exit code 6: one exists.",
		Example: `  odradek topic create orders -p 6
  odradek topic create orders payments -p 3 -r 3 -c retention.ms=86400000 -c min.insync.replicas=2
  odradek topic create orders --if-not-exists`,
		Args: args(cobra.MinimumNArgs(1), "the names of topics"),
	}, func(ctx context.Context, s *session, names []string) error {
		values, err := assignments("-c", configs)
		if err != nil {
			return err
		}
		if partitions < 0 || replicas < 0 {
			return usagef("-p and -r want a number above 0")
		}
		var topics []clientlib.NewTopic
		for _, name := range names {
			topics = append(topics, clientlib.NewTopic{Name: name, Partitions: partitions, ReplicationFactor: replicas, Configs: values})
		}
		made, err := s.admin().CreateTopics(ctx, dry, topics...)
		if unlessThere {
			err = without(err, errcode.TopicAlreadyExists)
		}
		list := []createdJSON{}
		var lines [][]string
		for _, t := range made {
			list = append(list, createdJSON(t))
			lines = append(lines, []string{t.Name, strconv.Itoa(int(t.Partitions)), strconv.Itoa(int(t.ReplicationFactor))})
		}
		return s.show(list, []string{"NAME", "PARTITIONS", "REPLICAS"}, lines, err)
	})
	cmd.Flags().Int32VarP(&partitions, "partitions", "p", 0, "how many; 0: as the broker's num.partitions says")
	cmd.Flags().Int16VarP(&replicas, "replicas", "r", 0, "replication factor; 0: as the broker's default.replication.factor says")
	cmd.Flags().StringArrayVarP(&configs, "config", "c", nil, "a topic's configuration, key=value; may be given again")
	cmd.Flags().BoolVar(&unlessThere, "if-not-exists", false, "a topic that exists is no error")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say whether it would be made")
	_ = cmd.RegisterFlagCompletionFunc("config", completeTopicKeys)
	return cmd
}

// show writes what succeeded, and returns err: in JSON where that is wanted, otherwise as rows.
func (s *session) show(asJSON any, headings []string, lines [][]string, err error) error {
	out := s.cmd.OutOrStdout()
	switch {
	case len(lines) == 0 && err != nil:
		return err
	case s.json():
		if writing := writeJSON(out, asJSON); writing != nil {
			return writing
		}
	case len(lines) > 0:
		if writing := rows(out, headings, lines); writing != nil {
			return writing
		}
	}
	return err
}

// without leaves one refusal out of joined errors.
func without(err error, code errcode.Code) error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			if clientlib.Code(one) != code {
				return err
			}
		}
		return nil
	}
	return err
}

type topicJSON struct {
	Name              string `json:"name"`
	Partitions        int    `json:"partitions"`
	ReplicationFactor int    `json:"replicationFactor"`
	Internal          bool   `json:"internal"`
}

func replicationFactor(t *clientlib.Topic) int {
	if len(t.Partitions) == 0 {
		return 0
	}
	return len(t.Partitions[0].Replicas)
}

func topicList() *cobra.Command {
	var internal bool
	cmd := onCluster(&cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List topics", Long: "Lists topics by name, each with its partitions and its replication factor.",
		Example: `  odradek topic list
  odradek topic list -o json
  odradek topic list | cut -f 1`,
		Args: args(cobra.NoArgs, "no arguments"),
	}, func(ctx context.Context, s *session, _ []string) error {
		topics, err := s.admin().Topics(ctx)
		list := []topicJSON{}
		var lines [][]string
		for i := range topics {
			t := &topics[i]
			if t.Internal && !internal {
				continue
			}
			row := topicJSON{t.Name, len(t.Partitions), replicationFactor(t), t.Internal}
			list = append(list, row)
			lines = append(lines, []string{t.Name, strconv.Itoa(row.Partitions), strconv.Itoa(row.ReplicationFactor)})
		}
		if err == nil && len(lines) == 0 && !s.json() {
			s.say("no topics")
		}
		return s.show(list, []string{"NAME", "PARTITIONS", "REPLICAS"}, lines, err)
	})
	cmd.Flags().BoolVarP(&internal, "internal", "i", false, "those of the broker's own, too")
	return cmd
}

func topicDelete() *cobra.Command {
	var ifThere bool
	cmd := onCluster(&cobra.Command{
		Use: "delete NAME...", Aliases: []string{"rm"}, Short: "Delete topics and their records", Long: "Deletes topics with all their records, and prints their names. Exit code 5: one does not exist.",
		Example: `  odradek topic delete orders
  odradek topic delete orders payments --if-exists`,
		Args: args(cobra.MinimumNArgs(1), "the names of topics"), ValidArgsFunction: completeTopics(true),
	}, func(ctx context.Context, s *session, names []string) error {
		gone, err := s.admin().DeleteTopics(ctx, names...)
		if ifThere {
			err = without(err, errcode.UnknownTopicOrPartition)
		}
		var lines [][]string
		for _, name := range gone {
			lines = append(lines, []string{name})
		}
		return s.show(append([]string{}, gone...), []string{"DELETED"}, lines, err)
	})
	cmd.Flags().BoolVar(&ifThere, "if-exists", false, "a topic that does not exist is no error")
	return cmd
}

func topicAlter() *cobra.Command {
	var partitions int32
	var configs, remove []string
	var dry bool
	cmd := onCluster(&cobra.Command{
		Use: "alter NAME", Short: "Change a topic's configuration, or give it more partitions",
		Long: "Changes a topic's configuration, and leaves the keys that are not named as they are; or gives it more partitions, after which records with a key may go elsewhere.",
		Example: `  odradek topic alter orders -c retention.ms=3600000
  odradek topic alter orders --delete retention.ms
  odradek topic alter orders -p 12`,
		Args: args(cobra.ExactArgs(1), "the name of a topic"), ValidArgsFunction: completeTopics(false),
	}, func(ctx context.Context, s *session, names []string) error {
		changes, err := changesOf(configs, remove, nil, nil)
		switch {
		case err != nil:
			return err
		case len(changes) == 0 && partitions == 0:
			return usagef("nothing to change: want -c key=value, --delete key or -p PARTITIONS")
		case dry && partitions != 0:
			return usagef("--dry-run is of configurations only")
		}
		if len(changes) > 0 {
			if err := s.admin().AlterConfigs(ctx, clientlib.TopicResource(names[0]), dry, changes...); err != nil {
				return err
			}
		}
		if partitions != 0 {
			return s.admin().CreatePartitions(ctx, names[0], partitions)
		}
		return nil
	})
	cmd.Flags().Int32VarP(&partitions, "partitions", "p", 0, "how many it has afterwards")
	cmd.Flags().StringArrayVarP(&configs, "config", "c", nil, "key=value; may be given again")
	cmd.Flags().StringArrayVar(&remove, "delete", nil, "a key that gets its default again; may be given again")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say whether it would be done")
	_ = cmd.RegisterFlagCompletionFunc("config", completeTopicKeys)
	return cmd
}

// topicID writes an id as Kafka does.
func topicID(id [16]byte) string {
	if id == [16]byte{} {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(id[:])
}

func ids(list []int32) string {
	text := fmt.Sprint(list)
	return strings.ReplaceAll(text[1:len(text)-1], " ", ",")
}
