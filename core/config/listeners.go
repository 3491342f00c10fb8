package config

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Listener is one address: of listeners, or of advertised.listeners.
type Listener struct {
	Name string
	Host string
	Port int32
}

// plaintext is the one security protocol that is served.
const plaintext = "PLAINTEXT"

// listen sets what the node listens on and what it advertises. The controller's listeners come apart; the only one of its quorum needs none, and opens none.
func (n *Node) listen(v *values) error {
	protocols, err := protocolMap(v.text("listener.security.protocol.map"))
	if err != nil {
		return err
	}
	controllers := splitList(v.text("controller.listener.names"))
	parse := func(key string) (list []Listener, err error) {
		all, err := parseListeners(key, v.text(key))
		for _, l := range all {
			protocol, ok := protocols[l.Name]
			if !ok {
				if !slices.Contains(controllers, l.Name) {
					return nil, wrong(key, "%s: listener %s is not in listener.security.protocol.map: add %s:PLAINTEXT", key, l.Name, l.Name)
				}
				protocol = plaintext // Kafka's map has CONTROLLER so by default
			}
			if protocol != plaintext {
				return nil, wrong(key, "%s: %s asks for %s, but only PLAINTEXT is served yet", key, l.Name, protocol)
			}
			if slices.Contains(controllers, l.Name) {
				n.addController(key, l)
				continue
			}
			list = append(list, l)
		}
		return list, err
	}
	if n.Listeners, err = parse("listeners"); err != nil {
		return err
	}
	if err := n.checkControllers(controllers); err != nil {
		return err
	}
	if len(n.Listeners) == 0 && n.Broker {
		return wrong("listeners", "listeners is empty: name at least one address, such as PLAINTEXT://127.0.0.1:9092")
	}
	if n.Advertised, err = parse("advertised.listeners"); err != nil {
		return err
	}
	named := func(name string) bool {
		return slices.ContainsFunc(n.Listeners, func(l Listener) bool { return l.Name == name })
	}
	for _, l := range n.Advertised {
		if !named(l.Name) {
			return wrong("advertised.listeners", "advertised.listeners: %s is not in listeners: nothing listens there", l.Name)
		}
	}
	if n.PerIP, err = parseHostLimits(v.text("max.connections.per.ip.overrides")); err != nil {
		return err
	}
	if name := v.text("inter.broker.listener.name"); name != "" && !named(name) {
		return wrong("inter.broker.listener.name", "inter.broker.listener.name=%s is not in listeners: name one of them", name)
	} else if n.InterBroker = name; name == "" && len(n.Listeners) > 0 {
		n.InterBroker = n.Listeners[0].Name
	}
	return nil
}

// addController notes a listener of the controller, unless this node needs none: it is no controller, or the only one.
func (n *Node) addController(key string, l Listener) {
	if key == "listeners" && n.Controller && !n.Alone() {
		n.Controllers = append(n.Controllers, l)
	}
}

func (n *Node) checkControllers(names []string) error {
	if !n.Controller || n.Alone() {
		return nil
	}
	if len(names) == 0 {
		return wrong("controller.listener.names", "controller.listener.names is empty: the other controllers reach this one there, name one of listeners")
	}
	if len(n.Controllers) == 0 {
		return wrong("controller.listener.names", "controller.listener.names: none of %v is in listeners: add %s://HOST:PORT", names, names[0])
	}
	return nil
}

// protocolMap reads NAME:PROTOCOL, ….
func protocolMap(s string) (map[string]string, error) {
	const key = "listener.security.protocol.map"
	out := make(map[string]string)
	for _, part := range splitList(s) {
		name, protocol, ok := strings.Cut(part, ":")
		if !ok || name == "" || !slices.Contains([]string{plaintext, "SSL", "SASL_PLAINTEXT", "SASL_SSL"}, protocol) {
			return nil, wrong(key, "%s: %q is not NAME:PROTOCOL with one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL", key, part)
		}
		out[name] = protocol
	}
	return out, nil
}

func parseListeners(key, s string) ([]Listener, error) {
	var out []Listener
	for _, part := range splitList(s) {
		name, address, ok := strings.Cut(part, "://")
		colon := strings.LastIndexByte(address, ':')
		if !ok || colon < 0 {
			return nil, wrong(key, "%s: %q is not NAME://HOST:PORT, such as PLAINTEXT://127.0.0.1:9092", key, part)
		}
		port, err := strconv.ParseUint(address[colon+1:], 10, 16)
		if err != nil {
			return nil, wrong(key, "%s: the port of %q must be a number from 0 to 65535", key, part)
		}
		out = append(out, Listener{Name: strings.ToUpper(name), Host: strings.Trim(address[:colon], "[]"), Port: int32(port)})
	}
	return out, nil
}

// HostLimit is a number of connections for an address, or for the addresses of a name.
type HostLimit struct {
	Host string
	Most int
}

// parseHostLimits reads HOST:NUMBER, ….
func parseHostLimits(s string) ([]HostLimit, error) {
	const key = "max.connections.per.ip.overrides"
	var out []HostLimit
	for _, part := range splitList(s) {
		colon := strings.LastIndexByte(part, ':') // an IPv6 address has colons of its own
		if colon <= 0 {
			return nil, wrong(key, "%s: %q is not HOST:NUMBER, such as 10.0.0.7:200", key, part)
		}
		most, err := strconv.ParseUint(part[colon+1:], 10, 31)
		if err != nil {
			return nil, wrong(key, "%s: the number of %q must be one from 0 to %d", key, part, math.MaxInt32)
		}
		out = append(out, HostLimit{Host: strings.Trim(part[:colon], "[]"), Most: int(most)})
	}
	return out, nil
}
