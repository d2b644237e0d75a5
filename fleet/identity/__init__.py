"""Who a node is: the fleet CA, claims, certificates and EST."""
