package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"odradek/clientlib"
	"odradek/clientlib/proto"
)

type statusJSON struct {
	ID              string       `json:"id"`
	Controller      int32        `json:"controller"` // leader of the metadata quorum; -1: none is known
	Epoch           int32        `json:"epoch"`
	Topics          int          `json:"topics"`
	Partitions      int          `json:"partitions"`
	UnderReplicated int          `json:"underReplicated"`
	Leaderless      int          `json:"leaderless"`
	Nodes           []statusNode `json:"nodes"`
	Healthy         bool         `json:"healthy"`
}

type statusNode struct {
	ID      int32  `json:"id"`
	Address string `json:"address,omitempty"` // empty: it is no broker
	Rack    string `json:"rack,omitempty"`
	State   string `json:"state"`  // serving, fenced; controller: it is no broker
	Quorum  string `json:"quorum"` // leader, voter, observer, or nothing
	Leads   int    `json:"leads"`
	Has     int    `json:"replicas"`
	Behind  int    `json:"outOfSync"`
}

func clusterStatus() *cobra.Command {
	return onCluster(&cobra.Command{
		Use: "status", Short: "Show every node: whether it serves, its part in the quorum, what it leads and lacks",
		Long: `Shows every node that the controller knows: whether it serves or is fenced, its part in the metadata quorum, how many partitions it leads, how many replicas it has
and how many of those are not in sync. Exit code 10: a broker is fenced, or a partition has no leader or not all of its replicas in sync.`,
		Example: `  odradek cluster status
  odradek cluster status -o json`,
		Args: args(cobra.NoArgs, "no arguments"),
	}, func(ctx context.Context, s *session, _ []string) error {
		told, err := s.status(ctx)
		if err != nil {
			return err
		}
		var lines [][]string
		for _, n := range told.Nodes {
			lines = append(lines, []string{strconv.Itoa(int(n.ID)), n.Address, n.Rack, n.State, n.Quorum, strconv.Itoa(n.Leads), strconv.Itoa(n.Has), strconv.Itoa(n.Behind)})
		}
		if out := s.cmd.OutOrStdout(); terminal(out) && !s.json() {
			fmt.Fprintf(out, "cluster %s, controller %d, epoch %d\n%s: %d under-replicated, %d without a leader\n\n", told.ID, told.Controller, told.Epoch,
				count(int64(told.Partitions), "partition"), told.UnderReplicated, told.Leaderless)
		}
		if err := s.show(told, []string{"NODE", "ADDRESS", "RACK", "STATE", "QUORUM", "LEADS", "REPLICAS", "OUT OF SYNC"}, lines, nil); err != nil {
			return err
		}
		if !told.Healthy {
			return errUnhealthy
		}
		return nil
	})
}

func (s *session) status(ctx context.Context) (statusJSON, error) {
	told := statusJSON{Controller: -1, Epoch: -1, Nodes: []statusNode{}}
	cluster, err := s.admin().Cluster(ctx)
	if err != nil {
		return told, err
	}
	told.ID = cluster.ID
	brokers, err := s.admin().Registered(ctx)
	if err != nil {
		return told, err
	}
	for _, b := range brokers {
		n := statusNode{ID: b.ID, Address: b.Address, Rack: b.Rack, State: "serving"}
		if b.Fenced {
			n.State = "fenced"
		}
		told.Nodes = append(told.Nodes, n)
	}
	switch q, err := s.admin().Quorum(ctx); {
	case errors.Is(err, proto.ErrUnsupported): // before Kafka 3.3, or one with ZooKeeper
	case err != nil:
		return told, err
	default:
		told.addQuorum(&q)
	}
	topics, err := s.admin().Topics(ctx)
	if err != nil {
		return told, err
	}
	told.addTopics(topics)
	fenced := slices.ContainsFunc(told.Nodes, func(n statusNode) bool { return n.State == "fenced" })
	told.Healthy = !fenced && told.UnderReplicated == 0 && told.Leaderless == 0
	return told, nil
}

func (t *statusJSON) addQuorum(q *clientlib.Quorum) {
	t.Controller, t.Epoch = q.Leader, q.Epoch
	told := quorumOf(q)
	for _, r := range told.Replicas {
		i := slices.IndexFunc(t.Nodes, func(n statusNode) bool { return n.ID == r.ID })
		if i < 0 {
			t.Nodes, i = append(t.Nodes, statusNode{ID: r.ID, State: "controller"}), len(t.Nodes)
		}
		t.Nodes[i].Quorum = r.Role
	}
	slices.SortFunc(t.Nodes, func(a, b statusNode) int { return int(a.ID) - int(b.ID) })
}

func (t *statusJSON) addTopics(topics []clientlib.Topic) {
	t.Topics = len(topics)
	of := func(id int32) *statusNode {
		if i := slices.IndexFunc(t.Nodes, func(n statusNode) bool { return n.ID == id }); i >= 0 {
			return &t.Nodes[i]
		}
		return new(statusNode) // nobody knows it
	}
	for i := range topics {
		for j := range topics[i].Partitions {
			p := &topics[i].Partitions[j]
			t.Partitions++
			if p.Leader < 0 {
				t.Leaderless++
			} else {
				of(p.Leader).Leads++
			}
			if len(p.ISR) < len(p.Replicas) {
				t.UnderReplicated++
			}
			for _, r := range p.Replicas {
				of(r).Has++
				if !slices.Contains(p.ISR, r) {
					of(r).Behind++
				}
			}
		}
	}
}
