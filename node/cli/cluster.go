package cli

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"odradek/core/record"
)

// votersMax is how many nodes of a local cluster are voters: three outlive one's failure, and more make every change of metadata wait for more.
const votersMax = 3

// nodesMax bounds a local cluster.
const nodesMax = 32

// clusterFile keeps what a local cluster was started with, in its directory: the same again on the same data.
const clusterFile = "cluster.json"

// plan is a local cluster: clusterFile's contents.
type plan struct {
	ClusterID string     `json:"clusterId"`
	Nodes     []planNode `json:"nodes"`
}

// planNode is one node and its ports on 127.0.0.1.
type planNode struct {
	ID         int `json:"id"`
	Broker     int `json:"broker"`
	Controller int `json:"controller,omitempty"` // 0: it is no controller
	Admin      int `json:"admin"`
}

// RunCluster makes `odradek cluster --nodes N` of the command that looks at clusters.
func RunCluster(cmd *cobra.Command) *cobra.Command {
	var nodes int
	var data string
	var set []string
	help := cmd.RunE
	cmd.Long = `Looks at a cluster; and with --nodes runs one: so many nodes as processes of this machine, on free ports of 127.0.0.1, with their data in DIR/n1, DIR/n2, …
The first three are brokers and controllers, the others brokers. Once all serve, a line says where:

  bootstrap 127.0.0.1:34001,127.0.0.1:34002,127.0.0.1:34003

The same ports and data serve again on the same --data. A node that dies is told of and not started again. An interrupt ends all of them in order.`
	cmd.Example = `  odradek cluster --nodes 3
  odradek cluster --nodes 5 --data /tmp/five --set default.replication.factor=3
  odradek cluster status --bootstrap 127.0.0.1:34001`
	cmd.Flags().IntVar(&nodes, "nodes", 0, "run a local cluster of so many nodes")
	cmd.Flags().StringVar(&data, "data", "odradek-cluster", "directory of the local cluster")
	cmd.Flags().StringArrayVar(&set, "set", nil, "configuration of each of its nodes, key=value; may be given again")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed("nodes") {
			if cmd.Flags().Changed("data") || cmd.Flags().Changed("set") {
				return UsageError{errors.New("cluster: --data and --set are of a local cluster: say how many with --nodes")}
			}
			return help(cmd, args)
		}
		if nodes < 1 || nodes > nodesMax {
			return UsageError{fmt.Errorf("--nodes %d: want 1 to %d", nodes, nodesMax)}
		}
		if err := checkSet(set); err != nil {
			return UsageError{err}
		}
		p, err := planFor(data, nodes)
		if err != nil {
			return err
		}
		exe, err := os.Executable()
		if err != nil {
			return err
		}
		return runCluster(cmd.Context(), &clusterRun{plan: p, data: data, set: set, command: []string{exe, "serve"}, out: cmd.OutOrStdout(), log: cmd.ErrOrStderr()})
	}
	return cmd
}

// checkSet refuses what each node must have for itself.
func checkSet(set []string) error {
	for _, text := range set {
		key, _, ok := strings.Cut(text, "=")
		if !ok {
			return fmt.Errorf("--set %q is not key=value", text)
		}
		switch strings.TrimSpace(key) {
		case "node.id", "broker.id", "process.roles", "listeners", "advertised.listeners", "controller.listener.names", "controller.quorum.voters", "log.dir", "log.dirs",
			"metadata.log.dir", "admin.listener", "inter.broker.listener.name":
			return fmt.Errorf("--set %s: each node of a local cluster has its own: use odradek serve", key)
		}
	}
	return nil
}

// planFor reads the plan of a directory, or makes one for so many nodes.
func planFor(data string, nodes int) (*plan, error) {
	path := filepath.Join(data, clusterFile)
	text, err := os.ReadFile(path)
	if err == nil {
		p := new(plan)
		if err := json.Unmarshal(text, p); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if len(p.Nodes) != nodes {
			return nil, UsageError{fmt.Errorf("--nodes %d: the cluster in %s has %d: say --nodes %d, or choose another --data", nodes, data, len(p.Nodes), len(p.Nodes))}
		}
		return p, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	p, err := newPlan(nodes)
	if err != nil {
		return nil, err
	}
	if text, err = json.MarshalIndent(p, "", "  "); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, err
	}
	aside := path + ".tmp"
	if err := os.WriteFile(aside, append(text, '\n'), 0o644); err != nil {
		return nil, err
	}
	return p, os.Rename(aside, path)
}

func newPlan(nodes int) (*plan, error) {
	var id record.UUID
	for id[0] == 0 { // Kafka reserves some ids that begin so
		if _, err := rand.Read(id[:]); err != nil {
			return nil, err
		}
	}
	p := &plan{ClusterID: id.String()}
	ports, err := freePorts(3 * nodes)
	if err != nil {
		return nil, err
	}
	for i := range nodes {
		n := planNode{ID: i + 1, Broker: ports[3*i], Admin: ports[3*i+1]}
		if i < votersMax {
			n.Controller = ports[3*i+2]
		}
		p.Nodes = append(p.Nodes, n)
	}
	return p, nil
}

// freePorts returns ports that nobody listens on now. All are held until the last is found: they differ.
func freePorts(n int) (ports []int, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// arguments are what a node is started with, behind `serve`. What the user set comes first: it cannot unsay what makes the nodes a cluster.
func (p *plan) arguments(n planNode, data string, set []string) []string {
	args := []string{"--data", filepath.Join(data, fmt.Sprintf("n%d", n.ID)), "--cluster-id", p.ClusterID}
	for _, text := range set {
		args = append(args, "--set", text)
	}
	var voters []string
	for _, v := range p.Nodes {
		if v.Controller != 0 {
			voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", v.ID, v.Controller))
		}
	}
	client := fmt.Sprintf("PLAINTEXT://127.0.0.1:%d", n.Broker)
	roles, listeners := "broker", client
	if n.Controller != 0 {
		roles, listeners = "broker,controller", fmt.Sprintf("%s,CONTROLLER://127.0.0.1:%d", client, n.Controller)
	}
	for _, entry := range [][2]string{{"node.id", fmt.Sprint(n.ID)}, {"process.roles", roles}, {"listeners", listeners}, {"advertised.listeners", client},
		{"controller.listener.names", "CONTROLLER"}, {"controller.quorum.voters", strings.Join(voters, ",")}, {"inter.broker.listener.name", "PLAINTEXT"},
		{"log.dirs", ""}, {"log.dir", ""}, {"admin.listener", fmt.Sprintf("127.0.0.1:%d", n.Admin)}} {
		args = append(args, "--set", entry[0]+"="+entry[1])
	}
	return args
}

// bootstrap is where clients begin.
func (p *plan) bootstrap() string {
	var out []string
	for _, n := range p.Nodes {
		out = append(out, fmt.Sprintf("127.0.0.1:%d", n.Broker))
	}
	return strings.Join(out, ",")
}
