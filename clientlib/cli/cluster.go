package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"odradek/clientlib"
)

func clusterCommand() *cobra.Command {
	return group("cluster", "Look at a cluster, or run a local one", clusterInfo(), clusterStatus(), clusterHealth())
}

type clusterJSON struct {
	ID         string       `json:"id"`
	Controller int32        `json:"controller"`
	Brokers    []brokerJSON `json:"brokers"`
}

type brokerJSON struct {
	ID      int32  `json:"id"`
	Address string `json:"address"`
	Rack    string `json:"rack,omitempty"`
}

func clusterInfo() *cobra.Command {
	return onCluster(&cobra.Command{
		Use: "info", Short: "Show a cluster's brokers", Long: "Shows the brokers that are there: id, address, rack, and which one takes requests for the controller.",
		Example: `  odradek cluster info
  odradek cluster info --bootstrap broker-1:9092 -o json`,
		Args: args(cobra.NoArgs, "no arguments"),
	}, func(ctx context.Context, s *session, _ []string) error {
		cluster, err := s.admin().Cluster(ctx)
		if err != nil {
			return err
		}
		told := clusterJSON{cluster.ID, cluster.Controller, []brokerJSON{}}
		var lines [][]string
		for _, b := range cluster.Brokers {
			told.Brokers = append(told.Brokers, brokerJSON(b))
			role := ""
			if b.ID == cluster.Controller {
				role = "controller"
			}
			lines = append(lines, []string{strconv.Itoa(int(b.ID)), b.Address, b.Rack, role})
		}
		if out := s.cmd.OutOrStdout(); terminal(out) && !s.json() {
			fmt.Fprintf(out, "cluster %s\n\n", cluster.ID)
		}
		return s.show(told, []string{"ID", "ADDRESS", "RACK", "ROLE"}, lines, nil)
	})
}

type healthJSON struct {
	Healthy  bool     `json:"healthy"`
	Brokers  int      `json:"brokers"`
	Problems []string `json:"problems"`
}

func clusterHealth() *cobra.Command {
	var wait bool
	cmd := onCluster(&cobra.Command{
		Use: "health", Short: "Say whether a cluster is healthy, and what is wrong",
		Long: `Says whether every broker answers, a controller is there, every partition has a leader and all of its replicas in sync, and every log directory can be used.
Exit code 10: not healthy; each problem is a line. 3: no broker can be reached.`,
		Example: `  odradek cluster health
  odradek cluster health --wait --timeout 60s     # until it is healthy
  odradek cluster health -o json`,
		Args: args(cobra.NoArgs, "no arguments"),
	}, func(ctx context.Context, s *session, _ []string) error {
		until := time.Now().Add(s.config.client.Timeout)
		for {
			told, err := s.health(ctx)
			if err != nil {
				return err
			}
			if told.Healthy || !wait || time.Now().After(until) {
				return s.printHealth(told)
			}
			select {
			case <-time.After(healthPause):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	})
	cmd.Flags().BoolVar(&wait, "wait", false, "until it is healthy, or --timeout is over")
	return cmd
}

const healthPause = 200 * time.Millisecond

func (s *session) health(ctx context.Context) (healthJSON, error) {
	told := healthJSON{Problems: []string{}}
	wrong := func(format string, args ...any) { told.Problems = append(told.Problems, fmt.Sprintf(format, args...)) }
	cluster, err := s.admin().Cluster(ctx)
	if err != nil {
		return told, err
	}
	told.Brokers = len(cluster.Brokers)
	if cluster.Controller < 0 {
		wrong("there is no controller")
	}
	topics, err := s.admin().Topics(ctx)
	if err != nil {
		wrong("topics: %v", err)
	}
	for i := range topics {
		for j := range topics[i].Partitions {
			if p := &topics[i].Partitions[j]; p.Leader < 0 {
				wrong("%s-%d has no leader", topics[i].Name, p.Partition)
			} else if !p.Healthy() {
				wrong("%s-%d has %d of %d replicas in sync", topics[i].Name, p.Partition, len(p.ISR), len(p.Replicas))
			}
		}
	}
	for _, b := range cluster.Brokers {
		dirs, err := s.admin().LogDirs(ctx, b.ID)
		if err != nil {
			wrong("broker %d at %s: %v", b.ID, b.Address, err)
		}
		for _, d := range dirs {
			if d.Err != nil {
				wrong("broker %d: %s: %v", b.ID, d.Path, clientlib.Code(d.Err))
			}
		}
	}
	told.Healthy = len(told.Problems) == 0
	return told, nil
}

func (s *session) printHealth(told healthJSON) error {
	out := s.cmd.OutOrStdout()
	switch {
	case s.json():
		if err := writeJSON(out, told); err != nil {
			return err
		}
	case told.Healthy:
		fmt.Fprintf(out, "healthy\t%s\n", count(int64(told.Brokers), "broker"))
	default:
		for _, p := range told.Problems {
			fmt.Fprintln(out, p)
		}
	}
	if !told.Healthy {
		return errUnhealthy
	}
	return nil
}
