package brokers

import (
	"os/exec"
	"path/filepath"
)

// ClusterID is the cluster id that Apache Kafka is formatted with.
const ClusterID = "k6qUWPH3RdG3PO1UTzc2Gw"

// StartOdradek runs a node of ours on an empty directory.
func StartOdradek(binary, dir string, set map[string]string) (*Broker, error) {
	b := &Broker{Name: "Odradek", Address: FreeAddress()}
	args := []string{"serve", "--data", filepath.Join(dir, "data"), "--set", "listeners=PLAINTEXT://" + b.Address, "--set", "admin.listener="}
	for _, s := range settings(set) {
		args = append(args, "--set", s)
	}
	return b, b.run(exec.Command(binary, args...), dir)
}
