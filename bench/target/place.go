package target

import (
	"fmt"
	"net"
	"strings"
)

// Place is where a broker of several listens, on loopback.
type Place struct {
	ID                          int
	Clients, Controllers, Admin string
}

// clusterID is that of every cluster of more than one.
const clusterID = "k6qUWPH3RdG3PO1UTzc2Gw"

// Places returns addresses that nobody listens on now, for so many brokers.
func Places(n int) ([]Place, error) {
	var out []Place
	for id := range n {
		p := Place{ID: id + 1}
		for _, to := range []*string{&p.Clients, &p.Controllers, &p.Admin} {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return nil, err
			}
			defer l.Close() // all are held until the last is found: they differ
			*to = l.Addr().String()
		}
		out = append(out, p)
	}
	return out, nil
}

// quorum is controller.quorum.voters.
func quorum(voters []Place) string {
	var out []string
	for _, v := range voters {
		out = append(out, fmt.Sprintf("%d@%s", v.ID, v.Controllers))
	}
	return strings.Join(out, ",")
}
