"""The only folder that knows Nipype: interfaces, graphs, plugins, and running them."""
