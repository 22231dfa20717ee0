package rows

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/skerry-edge/skerry/bench/gateway"
	"github.com/skerry-edge/skerry/bench/load"
	"github.com/skerry-edge/skerry/bench/report"
	"github.com/skerry-edge/skerry/sensors/mqtt/certtest"
)

// secure measures what TLS, and what users with access rules, cost a publisher: one agent each, loaded in turn.
func (b *Bench) secure(ctx context.Context) (err error) {
	dir, err := b.folder("secure")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	plain := load.Options{Clients: 1, Window: 100, Warm: pick(b, 500*time.Millisecond, 0), For: pick(b, 2*time.Second, 100*time.Millisecond)}
	overTLS, users := plain, plain

	plainGateway, err := gateway.New(ctx, b.Program, filepath.Join(dir, "plain"), "")
	if err != nil {
		return err
	}
	usersGateway, err := b.withUsers(ctx, filepath.Join(dir, "users"), &users)
	if err != nil {
		return err
	}
	tlsGateway, err := b.withTLS(ctx, filepath.Join(dir, "tls"), &overTLS)
	if err != nil {
		return err
	}
	plain.Addr, users.Addr = plainGateway.Addr, usersGateway.Addr
	all := []*gateway.Gateway{plainGateway, usersGateway, tlsGateway}
	var running []*gateway.Gateway
	defer func() {
		for _, g := range running {
			err = errors.Join(err, g.Stop())
		}
	}()
	for _, g := range all {
		if err := g.Start(ctx, nil); err != nil {
			return err
		}
		running = append(running, g)
	}
	var rates [3][]float64
	for range pick(b, 5, 1) {
		for i, o := range []load.Options{plain, users, overTLS} {
			r, err := load.Run(ctx, o)
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], r.Rate)
		}
	}
	row := func(name, how string, i int) report.Row {
		return report.Row{Group: "secure", Name: "1×100 " + name, How: how, Figure: median(rates[i]), Unit: "messages/s"}
	}
	bare := median(rates[0])
	b.add(
		row("plain", "as qos1, in turn with the others", 0),
		row("users and rules", "bcrypt, 20 rules", 1).Against("plain", bare).RatioAtLeast(0.9),
		row("TLS", "1.3, ECDSA P-256; both ends on this machine", 2).Against("plain", bare).RatioAtLeast(0.5),
	)
	return nil
}

// withUsers makes a gateway that asks for a password and has rules.
func (b *Bench) withUsers(ctx context.Context, dir string, o *load.Options) (*gateway.Gateway, error) {
	var rules strings.Builder
	rules.WriteString("[[mqtt.acl]]\nusers = [\"bench\"]\nread = [\"bench/#\"]\nwrite = [\"bench/%c/#\", \"bench/+\"]\n")
	for i := range 19 {
		fmt.Fprintf(&rules, "[[mqtt.acl]]\nusers = [\"*\"]\nread = [\"site/%d/#\"]\nwrite = [\"site/%d/%%u/#\"]\n", i, i)
	}
	g, err := gateway.New(ctx, b.Program, dir, rules.String())
	if err != nil {
		return nil, err
	}
	hash, err := bcrypt.GenerateFromPassword([]byte("bench"), bcrypt.MinCost)
	if err != nil {
		return nil, fmt.Errorf("hash password: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "users"), fmt.Appendf(nil, "bench:%s\n", hash), 0o600); err != nil {
		return nil, fmt.Errorf("write users: %w", err)
	}
	o.Username, o.Password = "bench", "bench"
	return g, g.DropIn("broker", "[mqtt.broker]\nusers_file = \"users\"\n")
}

// withTLS makes a gateway that listens for TLS, too.
func (b *Bench) withTLS(ctx context.Context, dir string, o *load.Options) (*gateway.Gateway, error) {
	g, err := gateway.New(ctx, b.Program, dir, "")
	if err != nil {
		return nil, err
	}
	ca, err := certtest.NewAuthority(dir, "ca")
	if err != nil {
		return nil, err
	}
	pair, err := ca.Issue(dir, certtest.Leaf{Name: "broker", Hosts: []string{"127.0.0.1"}})
	if err != nil {
		return nil, err
	}
	if o.TLS, err = ca.Client("127.0.0.1", nil); err != nil {
		return nil, err
	}
	if o.Addr, err = gateway.FreeAddr(ctx); err != nil {
		return nil, err
	}
	return g, g.DropIn("broker", fmt.Sprintf("[mqtt.broker]\ntls_listen = %q\ncert_file = %q\nkey_file = %q\n", o.Addr, pair.CertFile, pair.KeyFile))
}
