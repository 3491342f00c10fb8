package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"odradek/clientlib"
)

type describedJSON struct {
	Name       string          `json:"name"`
	ID         string          `json:"id"`
	Internal   bool            `json:"internal"`
	Partitions []partitionJSON `json:"partitions"`
	Configs    []configJSON    `json:"configs"` // those that are not the default
}

type partitionJSON struct {
	Partition     int32   `json:"partition"`
	Leader        int32   `json:"leader"`
	LeaderEpoch   int32   `json:"leaderEpoch"`
	Replicas      []int32 `json:"replicas"`
	ISR           []int32 `json:"isr"`
	LogStart      int64   `json:"logStart"`      // -1: nobody could say
	HighWatermark int64   `json:"highWatermark"` // -1: nobody could say
	ELR           []int32 `json:"elr"`           // may lead besides the ISR
	Offline       []int32 `json:"offline"`       // replicas whose broker or directory is gone
	State         string  `json:"state"`         // ok, under-replicated, no-leader
}

func topicDescribe() *cobra.Command {
	return onCluster(&cobra.Command{
		Use: "describe NAME...", Short: "Show a topic's partitions and configuration",
		Long: `Shows the partitions of topics: leader and its epoch, replicas, those in sync, log start and high watermark, the replicas that may lead besides
those in sync (ELR), those that are offline, and whether the partition is under-replicated; and the configuration that is not the default.
In a pipe each partition is a line that begins with the topic's name; the configuration is then left to odradek config describe.`,
		Example: `  odradek topic describe orders
  odradek topic describe orders -o json`,
		Args: args(cobra.MinimumNArgs(1), "the names of topics"), ValidArgsFunction: completeTopics(true),
	}, func(ctx context.Context, s *session, names []string) error {
		topics, err := s.admin().Topics(ctx, names...)
		list := []describedJSON{}
		for i := range topics {
			d, wrong := s.described(ctx, &topics[i])
			if wrong != nil {
				return wrong
			}
			list = append(list, d)
		}
		if len(list) == 0 {
			return err
		}
		if s.json() {
			return s.show(list, nil, [][]string{{}}, err)
		}
		if writing := s.printDescribed(list); writing != nil {
			return writing
		}
		return err
	})
}

func (s *session) described(ctx context.Context, t *clientlib.Topic) (describedJSON, error) {
	d := describedJSON{Name: t.Name, ID: topicID(t.ID), Internal: t.Internal, Partitions: []partitionJSON{}, Configs: []configJSON{}}
	eligible, err := s.admin().Eligible(ctx, t.Name)
	if err != nil {
		return d, err
	}
	var led []clientlib.TopicPartition
	for i := range t.Partitions {
		p := &t.Partitions[i]
		d.Partitions = append(d.Partitions, partitionJSON{p.Partition, p.Leader, p.LeaderEpoch, p.Replicas, p.ISR, -1, -1,
			some(eligible[clientlib.TopicPartition{Topic: t.Name, Partition: p.Partition}].ELR), some(p.Offline), stateOf(p)})
		if p.Leader >= 0 {
			led = append(led, clientlib.TopicPartition{Topic: t.Name, Partition: p.Partition})
		}
	}
	for _, spec := range []clientlib.OffsetSpec{clientlib.OffsetEarliest, clientlib.OffsetLatest} {
		offsets, err := s.admin().Offsets(ctx, spec, false, led...)
		if err != nil {
			return d, err
		}
		for _, o := range offsets {
			for i := range d.Partitions {
				switch p := &d.Partitions[i]; {
				case p.Partition != o.Partition:
				case spec == clientlib.OffsetEarliest:
					p.LogStart = o.Offset
				default:
					p.HighWatermark = o.Offset
				}
			}
		}
	}
	entries, err := s.admin().Configs(ctx, clientlib.TopicResource(t.Name))
	for i := range entries {
		if !entries[i].Default {
			d.Configs = append(d.Configs, configOf(&entries[i]))
		}
	}
	return d, err
}

// some is a list as JSON has it: empty, not null.
func some(ids []int32) []int32 {
	if ids == nil {
		return []int32{}
	}
	return ids
}

func stateOf(p *clientlib.Partition) string {
	switch {
	case p.Leader < 0:
		return "no-leader"
	case !p.Healthy():
		return "under-replicated"
	}
	return "ok"
}

func (s *session) printDescribed(list []describedJSON) error {
	out := s.cmd.OutOrStdout()
	person := terminal(out)
	for i := range list {
		d := &list[i]
		headings := []string{"PARTITION", "LEADER", "EPOCH", "REPLICAS", "ISR", "LOG START", "HIGH WATERMARK", "ELR", "OFFLINE", "STATE"}
		var lines [][]string
		for _, p := range d.Partitions {
			line := []string{strconv.Itoa(int(p.Partition)), strconv.Itoa(int(p.Leader)), strconv.Itoa(int(p.LeaderEpoch)), ids(p.Replicas), ids(p.ISR), known(p.LogStart), known(p.HighWatermark),
				ids(p.ELR), ids(p.Offline), p.State}
			if !person {
				line = append([]string{d.Name}, line...)
			}
			lines = append(lines, line)
		}
		if person {
			if i > 0 {
				fmt.Fprintln(out)
			}
			fmt.Fprintf(out, "%s  id %s, %s\n\n", d.Name, d.ID, count(int64(len(d.Partitions)), "partition"))
		}
		if err := rows(out, headings, lines); err != nil {
			return err
		}
		if person && len(d.Configs) > 0 {
			fmt.Fprintln(out)
			if err := rows(out, []string{"CONFIG", "VALUE", "SOURCE"}, configLines(d.Configs)); err != nil {
				return err
			}
		}
	}
	return nil
}

// known writes a number, or a dash where nobody could say.
func known(n int64) string {
	if n < 0 {
		return "-"
	}
	return strconv.FormatInt(n, 10)
}
