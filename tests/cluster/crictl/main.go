// As much of crictl as kubeadm calls, and a list for people: Debian has no package of it.
//
//     crictl -r unix:///run/containerd/containerd.sock info | pods [-q] | stopp ID... | rmp ID...
//
// Compiled in Kubernetes' own source, which has the CRI (build_kubernetes.py).
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1alpha2"
)

const limit = 2 * time.Minute // Emulated machines are slow.

func run(client cri.RuntimeServiceClient, command string, ids []string, quiet bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	switch command {
	case "info":
		answer, err := client.Status(ctx, &cri.StatusRequest{})
		if err == nil {
			fmt.Println(answer.Status)
		}
		return err
	case "pods":
		answer, err := client.ListPodSandbox(ctx, &cri.ListPodSandboxRequest{})
		if err != nil {
			return err
		}
		for _, pod := range answer.Items {
			if quiet {
				fmt.Println(pod.Id)
			} else {
				fmt.Println(pod.Id, pod.State, pod.Metadata.Namespace+"/"+pod.Metadata.Name)
			}
		}
		return nil
	case "stopp":
		for _, id := range ids {
			if _, err := client.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: id}); err != nil {
				return err
			}
		}
		return nil
	case "rmp":
		for _, id := range ids {
			if _, err := client.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: id}); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("no command %q", command)
}

func main() {
	endpoint := flag.String("r", "unix:///run/containerd/containerd.sock", "the runtime's socket")
	flag.Parse()
	rest := flag.Args()
	if len(rest) == 0 {
		flag.Usage()
		os.Exit(2)
	}
	quiet := false
	var ids []string
	for _, word := range rest[1:] {
		if word == "-q" {
			quiet = true
		} else {
			ids = append(ids, word)
		}
	}
	address := *endpoint
	if !strings.Contains(address, "://") {
		address = "unix://" + address
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	connection, err := grpc.DialContext(ctx, address, grpc.WithInsecure(), grpc.WithBlock(),
		grpc.FailOnNonTempDialError(true))
	if err == nil {
		err = run(cri.NewRuntimeServiceClient(connection), rest[0], ids, quiet)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "crictl:", err)
		os.Exit(1)
	}
}
